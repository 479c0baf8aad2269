// RemoteMacro: `@Remote` on a function: a variable of the function's name whose type has `remote` and `options`, and the record that registers it.

import SwiftDiagnostics
import SwiftSyntax
import SwiftSyntaxMacros

public struct RemoteMacro: PeerMacro {
    /// Formatting an expansion costs more than making it.
    public static var formatMode: FormatMode { .disabled }

    public static func expansion(
        of node: AttributeSyntax, providingPeersOf declaration: some DeclSyntaxProtocol, in context: some MacroExpansionContext
    ) throws -> [DeclSyntax] {
        guard let function = declaration.as(FunctionDeclSyntax.self) else {
            let message = declaration.is(ActorDeclSyntax.self) || declaration.is(ClassDeclSyntax.self)
                ? "@Remote is for functions; use @RemoteActor for an actor or a final class" : "@Remote is for functions"
            context.report([.error(node, message)])
            return []
        }
        var diagnostics: [Diagnostic] = []
        let place = Place(of: function.name, in: context, what: "function", diagnostics: &diagnostics)
        let signature = Signature(
            name: function.name.text, of: "function", generics: function.genericParameterClause, whereClause: function.genericWhereClause,
            signature: function.signature, diagnostics: &diagnostics)
        if let place, place.isInExtensionOrType, !function.modifiers.contains(.static) {
            diagnostics.append(instanceMethod(function))
        }
        if let signature, signature.parameters.isEmpty, !signature.isAsync { diagnostics.append(needsAsync(function)) }
        guard diagnostics.isEmpty, let place, let signature else {
            context.report(diagnostics)
            return []
        }
        return expansion(of: function, signature, at: place, options: node.arguments?.trimmedDescription ?? "")
    }

    private static func expansion(of function: FunctionDeclSyntax, _ signature: Signature, at place: Place, options: String) -> [DeclSyntax] {
        let base = function.name.text
        let type = "__Remote_\(base.withoutBackticks)"
        let access = function.modifiers.access
        let inner = access == "private " || access == "fileprivate " ? "" : access
        let isStatic = place.isInExtensionOrType ? "static " : ""
        let name = place.name(signature.fullName, isPrivate: function.modifiers.contains(.private, .fileprivate))
        let forms = CallForms(signature: signature, name: "remote", access: inner) { "_submit \($0)" }
        var lines = [
            "\(access)nonisolated struct \(type): Manta::RemoteFunction {",
            "\(inner)static let _signature: Manta::_Signature = \(signature.description(named: name))",
            "\(inner)static let _defaults: Manta::FunctionOptions = Manta::FunctionOptions(\(options))",
            "\(inner)var _options: Manta::FunctionOptions = Self._defaults",
        ]
        lines += forms.declarations
        lines.append("\(inner)nonisolated(nonsending) static func _invoke(_ call: Manta::_Invocation) async throws -> Manta::_Reply {")
        lines += body(signature)
        lines.append("}")
        lines.append("@section(\"manta_records\") @used private static let _record: Manta::_Record = (1, 1, { unsafe Manta::_register($0, function: \(type).self) }, 0)")
        lines.append("}")
        return ["\(raw: access)nonisolated \(raw: isStatic)var \(raw: base): \(raw: type) { \(raw: type)() }", "\(raw: lines.joined(separator: "\n"))"]
    }

    /// With parameters, the compound name picks the function among its namesakes, and the conversion takes in every mix of async, throws and global
    /// actor. Without, the call itself must say what it is.
    private static func body(_ signature: Signature) -> [String] {
        if signature.parameters.isEmpty {
            return signature.reply(to: "\(signature.isThrowing ? "try " : "")await \(signature.baseName)()")
        }
        let types = signature.parameters.map(\.type).joined(separator: ", ")
        let result: String
        switch signature.result {
        case .void: result = "Void"
        case .single(let type): result = type
        case .stream(let element): result = "Manta::ResultStream<\(element)>"
        case .tuple(let parts): result = "(\(parts.map { "\($0.label.map { "\($0): " } ?? "")\($0.type)" }.joined(separator: ", ")))"
        }
        // In two steps: the compiler (6.3.1) crashes when it converts a reference to a static function at once.
        return ["let plain = \(signature.fullName)", "let function: (\(types)) async throws -> \(result) = plain"]
            + signature.reply(to: "try await function(\(signature.unlabelledDecodedArguments))")
    }

    private static func instanceMethod(_ function: FunctionDeclSyntax) -> Diagnostic {
        var fixed = function
        let keyword = DeclModifierSyntax(name: .keyword(.static, trailingTrivia: .space))
        if fixed.modifiers.isEmpty {
            let leading = fixed.funcKeyword.leadingTrivia
            fixed.funcKeyword.leadingTrivia = []
            fixed.modifiers = [keyword.with(\.leadingTrivia, leading)]
        } else {
            fixed.modifiers.append(keyword)
        }
        return .error(
            function.name, "a remote function cannot be an instance method: its instance does not travel; make it static, or make the type a @RemoteActor",
            fixIts: [.replacing(function, with: fixed, "make it static")])
    }

    private static func needsAsync(_ function: FunctionDeclSyntax) -> Diagnostic {
        var fixed = function
        var effects = fixed.signature.effectSpecifiers ?? FunctionEffectSpecifiersSyntax()
        effects.asyncSpecifier = .keyword(.async, leadingTrivia: .space)
        // The space before what follows stays where it was.
        fixed.signature.parameterClause.trailingTrivia = []
        if effects.throwsClause == nil {
            effects.trailingTrivia = function.signature.parameterClause.trailingTrivia
        } else {
            effects.throwsClause?.leadingTrivia = .space
        }
        fixed.signature.effectSpecifiers = effects
        return .error(
            function.name,
            "a remote function without parameters must be async: else its name would stand for both the function and its remote form",
            fixIts: [.replacing(function, with: fixed, "make it async")])
    }
}
