// Signature: a function, method or initializer as the macros need it: names, parameters, effects and result, read from its syntax.
//
// Reading reports everything the remote form cannot carry, each at its place, and gives nil if anything was reported.

import SwiftDiagnostics
import SwiftSyntax
import SwiftSyntaxMacros

struct Signature {
    struct Parameter {
        /// nil for `_`.
        var label: String?
        var name: String
        var type: String
        var defaultValue: String?
    }

    /// One part of a tuple result.
    struct Part {
        var label: String?
        var type: String
    }

    enum Result {
        case void
        case single(String)
        case tuple([Part])
        /// `ResultStream<Element>`.
        case stream(element: String)
    }

    var baseName: String
    var parameters: [Parameter]
    var isAsync: Bool
    var isThrowing: Bool
    var result: Result

    /// `name(label:_:)`.
    var fullName: String { "\(baseName)(\(parameters.map { "\($0.label ?? "_"):" }.joined()))" }

    var isStream: Bool { if case .stream = result { true } else { false } }

    var resultCount: Int {
        if case .tuple(let parts) = result { return parts.count }
        return 1
    }

    /// What a remote call returns.
    var referenceType: String {
        switch result {
        case .void: "Manta::ObjectReference<Void>"
        case .single(let type): "Manta::ObjectReference<\(type)>"
        case .stream(let element): "Manta::ReferenceStream<\(element)>"
        case .tuple(let parts):
            "(\(parts.map { "\($0.label.map { "\($0): " } ?? "")Manta::ObjectReference<\($0.type)>" }.joined(separator: ", ")))"
        }
    }

    init(baseName: String, parameters: [Parameter], isAsync: Bool, isThrowing: Bool, result: Result) {
        (self.baseName, self.parameters, self.isAsync, self.isThrowing, self.result) = (baseName, parameters, isAsync, isThrowing, result)
    }

    /// Reads what a function, method or initializer declares.
    init?(
        name: String, of what: String, generics: GenericParameterClauseSyntax?, whereClause: GenericWhereClauseSyntax?, signature: FunctionSignatureSyntax,
        diagnostics: inout [Diagnostic]
    ) {
        let count = diagnostics.count
        if let generics {
            diagnostics.append(.error(generics, "a remote \(what) cannot be generic: a worker finds it by its name, which says nothing of types; write one for each type"))
        } else if let whereClause {
            diagnostics.append(.error(whereClause, "a remote \(what) cannot be generic: it cannot have a where clause"))
        }
        baseName = name
        parameters = []
        for parameter in signature.parameterClause.parameters {
            guard let read = Self.read(parameter, of: what, &diagnostics) else { continue }
            parameters.append(read)
        }
        isAsync = signature.effectSpecifiers?.asyncSpecifier != nil
        isThrowing = signature.effectSpecifiers?.throwsClause != nil
        result = Self.read(signature.returnClause?.type, of: what, &diagnostics)
        if diagnostics.count > count { return nil }
    }

    private static func read(_ parameter: FunctionParameterSyntax, of what: String, _ diagnostics: inout [Diagnostic]) -> Parameter? {
        var type = parameter.type
        let count = diagnostics.count
        if parameter.ellipsis != nil {
            diagnostics.append(.error(parameter, "a remote \(what) cannot have a variadic parameter; take an array: [\(type.trimmedDescription)]"))
        }
        if let attributed = type.as(AttributedTypeSyntax.self) {
            let words = attributed.specifiers.compactMap { $0.as(SimpleTypeSpecifierSyntax.self)?.specifier.text }
            if words.contains("inout") {
                diagnostics.append(.error(parameter, "a remote \(what) cannot have an inout parameter: it runs on a copy; return the new value instead"))
            }
            if words.contains("borrowing") || words.contains("consuming") || words.contains("sending") || words.contains("__owned") { type = attributed.baseType }
            if attributed.baseType.is(FunctionTypeSyntax.self) {
                diagnostics.append(.error(parameter, "a remote \(what) cannot have a closure parameter: code does not travel; pass data, or use #remote for the closure"))
            }
        }
        if type.is(FunctionTypeSyntax.self) {
            diagnostics.append(.error(parameter, "a remote \(what) cannot have a closure parameter: code does not travel; pass data, or use #remote for the closure"))
        }
        if let opaque = type.as(SomeOrAnyTypeSyntax.self) {
            let word = opaque.someOrAnySpecifier.text
            diagnostics.append(.error(parameter, "a remote \(what) cannot take '\(word)': the worker must know the type to decode it; name a Codable type"))
        }
        if diagnostics.count > count { return nil }
        let first = parameter.firstName.text
        return Parameter(
            label: first == "_" ? nil : first, name: (parameter.secondName ?? parameter.firstName).text, type: type.trimmedDescription,
            defaultValue: parameter.defaultValue?.value.trimmedDescription)
    }

    private static func read(_ type: TypeSyntax?, of what: String, _ diagnostics: inout [Diagnostic]) -> Result {
        guard let type else { return .void }
        let text = type.trimmedDescription
        if ["Void", "()", "Swift.Void", "Never"].contains(text) { return .void }
        if let opaque = type.as(SomeOrAnyTypeSyntax.self) {
            diagnostics.append(.error(type, "a remote \(what) cannot return '\(opaque.someOrAnySpecifier.text)': the caller must know the type to decode it; name a Codable type"))
        }
        if type.is(FunctionTypeSyntax.self) {
            diagnostics.append(.error(type, "a remote \(what) cannot return a closure: code does not travel"))
        }
        if let element = streamElement(of: type) { return .stream(element: element) }
        guard let tuple = type.as(TupleTypeSyntax.self) else { return .single(text) }
        if tuple.elements.count == 1, let only = tuple.elements.first { return read(only.type, of: what, &diagnostics) }
        return .tuple(tuple.elements.map { Part(label: $0.firstName.flatMap { $0.text == "_" ? nil : $0.text }, type: $0.type.trimmedDescription) })
    }

    /// What a `ResultStream` delivers, or nil for any other type.
    private static func streamElement(of type: TypeSyntax) -> String? {
        let (name, arguments): (TokenSyntax, GenericArgumentClauseSyntax?)
        if let plain = type.as(IdentifierTypeSyntax.self) {
            (name, arguments) = (plain.name, plain.genericArgumentClause)
        } else if let member = type.as(MemberTypeSyntax.self) {
            (name, arguments) = (member.name, member.genericArgumentClause)
        } else {
            return nil
        }
        guard name.text == "ResultStream", let arguments, arguments.arguments.count == 1 else { return nil }
        return arguments.arguments.first?.argument.trimmedDescription
    }
}
