// RemoteActorDeclaration: an actor or final class as `@RemoteActor` sees it: which initializers and methods can be called from outside.
//
// Private, static and nonisolated-by-storage members stay out silently; a member that could be called but cannot travel is reported.

import SwiftDiagnostics
import SwiftSyntax
import SwiftSyntaxMacros

struct RemoteActorDeclaration {
    struct Member {
        var signature: Signature
        var access: String
        /// The arguments of its `@RemoteMethod`, as written.
        var options: String?
    }

    let name: String
    /// `Module.Type`.
    let stableName: String
    let access: String
    let isClass: Bool
    /// The global actor a class is bound to.
    var globalActor: String?
    var initializers: [Member] = []
    var methods: [Member] = []

    init?(_ declaration: some DeclGroupSyntax, in context: some MacroExpansionContext, diagnostics: inout [Diagnostic]) {
        let count = diagnostics.count
        let modifiers = declaration.modifiers
        if let actor = declaration.as(ActorDeclSyntax.self) {
            (name, isClass) = (actor.name.text, false)
            if let generics = actor.genericParameterClause {
                diagnostics.append(.error(generics, "a remote actor cannot be generic: a worker finds it by its name, which says nothing of types"))
            }
        } else if let type = declaration.as(ClassDeclSyntax.self) {
            (name, isClass) = (type.name.text, true)
            if let generics = type.genericParameterClause {
                diagnostics.append(.error(generics, "a remote actor cannot be generic: a worker finds it by its name, which says nothing of types"))
            }
            if !modifiers.contains(.final) {
                var fixed = type
                let keyword = DeclModifierSyntax(name: .keyword(.final, trailingTrivia: .space))
                if fixed.modifiers.isEmpty {
                    let leading = fixed.classKeyword.leadingTrivia
                    fixed.classKeyword.leadingTrivia = []
                    fixed.modifiers = [keyword.with(\.leadingTrivia, leading)]
                } else {
                    fixed.modifiers.append(keyword)
                }
                diagnostics.append(
                    .error(type.name, "a remote class must be final: a worker creates exactly this type", fixIts: [.replacing(type, with: fixed, "make it final")]))
            }
            globalActor = type.attributes.compactMap { $0.as(AttributeSyntax.self)?.attributeName.trimmedDescription }.first { $0.hasSuffix("Actor") && $0 != "RemoteActor" && !$0.hasSuffix(".RemoteActor") }
        } else {
            diagnostics.append(.error(declaration.introducer, "@RemoteActor is for an actor or a final class; use @Remote for a function"))
            return nil
        }
        guard let place = Place(of: declaration.introducer, in: context, what: "actor", diagnostics: &diagnostics) else { return nil }
        stableName = place.name(name.withoutBackticks, isPrivate: modifiers.contains(.private, .fileprivate))
        access = modifiers.access == "private " || modifiers.access == "fileprivate " ? "fileprivate " : modifiers.access
        readMembers(declaration.memberBlock.members, &diagnostics)
        if diagnostics.count > count { return nil }
    }

    private mutating func readMembers(_ members: MemberBlockItemListSyntax, _ diagnostics: inout [Diagnostic]) {
        var hasInitializer = false
        for member in members {
            if let initializer = member.decl.as(InitializerDeclSyntax.self) {
                hasInitializer = true
                if initializer.modifiers.contains(.private, .fileprivate) { continue }
                if let mark = initializer.optionalMark {
                    diagnostics.append(.error(mark, "a remote actor cannot have a failable initializer; throw an error that says why"))
                    continue
                }
                if let read = Signature(
                    name: "init", of: "initializer", generics: initializer.genericParameterClause, whereClause: initializer.genericWhereClause,
                    signature: initializer.signature, diagnostics: &diagnostics)
                {
                    initializers.append(Member(signature: read, access: Self.narrower(access, initializer.modifiers.access)))
                }
            } else if let method = member.decl.as(FunctionDeclSyntax.self) {
                if method.modifiers.contains(.private, .fileprivate, .static, .class) { continue }
                if method.name.tokenKind.isOperator { continue }
                if let read = Signature(
                    name: method.name.text, of: "method", generics: method.genericParameterClause, whereClause: method.genericWhereClause,
                    signature: method.signature, diagnostics: &diagnostics)
                {
                    methods.append(Member(signature: read, access: Self.narrower(access, method.modifiers.access), options: Self.options(of: method)))
                }
            }
        }
        if !hasInitializer {
            // The compiler's own initializer, which is never more than internal.
            let implicit = Signature(baseName: "init", parameters: [], isAsync: false, isThrowing: false, result: .void)
            initializers = [Member(signature: implicit, access: Self.narrower(access, ""))]
        } else if initializers.isEmpty, diagnostics.isEmpty, let first = members.first {
            diagnostics.append(.error(first, "a remote actor needs an initializer that is not private"))
        }
    }

    private static func options(of method: FunctionDeclSyntax) -> String? {
        let attribute = method.attributes.compactMap { $0.as(AttributeSyntax.self) }.first {
            let name = $0.attributeName.trimmedDescription
            return name == "RemoteMethod" || name.hasSuffix(".RemoteMethod") || name.hasSuffix("::RemoteMethod")
        }
        return attribute?.arguments?.trimmedDescription
    }

    private static let order = ["fileprivate ", "", "package ", "public "]

    /// A member is no more visible than its type; without a modifier it is internal.
    private static func narrower(_ type: String, _ member: String) -> String {
        order[min(order.firstIndex(of: type) ?? 1, order.firstIndex(of: member) ?? 1)]
    }

    static func widest(_ all: [String]) -> String { order[all.compactMap { order.firstIndex(of: $0) }.max() ?? 1] }
}

extension TokenKind {
    fileprivate var isOperator: Bool {
        switch self {
        case .binaryOperator, .prefixOperator, .postfixOperator: true
        default: false
        }
    }
}
