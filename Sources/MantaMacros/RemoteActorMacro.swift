// RemoteActorMacro: `@RemoteActor` on an actor or final class: `Handle`, `Factory`, `remote`, and the code that creates it and runs its methods.
//
// In a handle each method is a property that holds a small struct with `callAsFunction`: `counter.increment(by: 2)` calls it, methods of one name with
// other labels share one struct, and a method without parameters does not clash. The structs are named `__increment`, so that a method `string` hides no
// type; the handle's own members begin with an underscore, so that a method may be called `id`.

import SwiftDiagnostics
import SwiftSyntax
import SwiftSyntaxMacros

public struct RemoteActorMacro: MemberMacro, ExtensionMacro {
    public static var formatMode: FormatMode { .disabled }

    public static func expansion(
        of node: AttributeSyntax, attachedTo declaration: some DeclGroupSyntax, providingExtensionsOf type: some TypeSyntaxProtocol,
        conformingTo protocols: [TypeSyntax], in context: some MacroExpansionContext
    ) throws -> [ExtensionDeclSyntax] {
        // A declaration the member macro refuses gets no conformance, which would only add errors.
        var diagnostics: [Diagnostic] = []
        guard RemoteActorDeclaration(declaration, in: context, diagnostics: &diagnostics) != nil else { return [] }
        let extended: DeclSyntax = "nonisolated extension \(type.trimmed): Manta::RemoteActor {}"
        return extended.as(ExtensionDeclSyntax.self).map { [$0] } ?? []
    }

    public static func expansion(
        of node: AttributeSyntax, providingMembersOf declaration: some DeclGroupSyntax, conformingTo protocols: [TypeSyntax],
        in context: some MacroExpansionContext
    ) throws -> [DeclSyntax] {
        var diagnostics: [Diagnostic] = []
        guard let actor = RemoteActorDeclaration(declaration, in: context, diagnostics: &diagnostics) else {
            context.report(diagnostics)
            return []
        }
        return [handle(actor), factory(actor)] + starters(actor) + [
            "\(raw: actor.access)nonisolated static let _type: Manta::_ActorType = \(raw: typeDescription(actor))",
            "\(raw: actor.access)nonisolated static let _defaults: Manta::ActorCreationOptions = Manta::ActorCreationOptions(\(raw: node.arguments?.trimmedDescription ?? ""))",
            creation(actor), dispatch(actor),
            "@section(\"manta_records\") @used nonisolated private static let _record: Manta::_Record = (2, 1, { unsafe Manta::_register($0, actor: \(raw: actor.name).self) }, 0)",
        ]
    }

    private static func typeDescription(_ actor: RemoteActorDeclaration) -> String {
        let initializers = actor.initializers.map { $0.signature.description(named: $0.signature.fullName) }.joined(separator: ",\n")
        let methods = actor.methods.map { $0.signature.description(named: $0.signature.fullName, options: $0.options) }.joined(separator: ",\n")
        return "Manta::_ActorType(\(literal(actor.stableName)), initializers: [\n\(initializers)], methods: [\n\(methods)], runsOneByOne: \(actor.isClass), hasAsyncMethods: \(actor.methods.contains { $0.signature.isAsync }), defaults: _defaults)"
    }

    private static func handle(_ actor: RemoteActorDeclaration) -> DeclSyntax {
        var lines = [
            "\(actor.access)nonisolated struct Handle: Manta::RemoteActorHandle {",
            "\(actor.access)let _actor: Manta::_ActorReference",
            "\(actor.access)init(_actor: Manta::_ActorReference) { self._actor = _actor }",
        ]
        var names: [String] = []
        for method in actor.methods where !names.contains(method.signature.baseName) { names.append(method.signature.baseName) }
        for name in names {
            let overloads = actor.methods.enumerated().filter { $0.element.signature.baseName == name }
            // Of several with one name the widest access decides; each keeps its own for the call.
            let access = RemoteActorDeclaration.widest(overloads.map(\.element.access))
            let type = "__\(name.withoutBackticks)"
            lines.append("\(access)var \(name): \(type) { \(type)(_actor: _actor) }")
            lines.append("\(access)nonisolated struct \(type): Manta::RemoteMethod {")
            lines.append("let _actor: Manta::_ActorReference")
            lines.append("\(access)var _options: Manta::CallOptions = Manta::CallOptions()")
            lines.append("init(_actor: Manta::_ActorReference) { self._actor = _actor }")
            for (index, method) in overloads {
                let forms = CallForms(signature: method.signature, name: "callAsFunction", access: method.access) {
                    "_actor._call(\(actor.name)._type, \(index), _options) \($0)"
                }
                lines += forms.declarations
            }
            lines.append("}")
        }
        lines.append("}")
        return "\(raw: lines.joined(separator: "\n"))"
    }

    private static func factory(_ actor: RemoteActorDeclaration) -> DeclSyntax {
        var lines = [
            "\(actor.access)nonisolated struct Factory: Manta::RemoteActorFactory {",
            "\(actor.access)typealias Actor = \(actor.name)",
            "\(actor.access)let _options: Manta::ActorCreationOptions",
            "\(actor.access)init(_options: Manta::ActorCreationOptions) { self._options = _options }",
        ]
        for (index, initializer) in actor.initializers.enumerated() {
            lines += CallForms(
                signature: initializer.signature, name: "remote", access: initializer.access, submit: { "_create(\(index)) \($0)" }, returning: "Handle"
            ).declarations
        }
        lines.append("}")
        return "\(raw: lines.joined(separator: "\n"))"
    }

    /// `Counter.remote(...)`: the factory's with the default options.
    private static func starters(_ actor: RemoteActorDeclaration) -> [DeclSyntax] {
        actor.initializers.enumerated().flatMap { index, initializer in
            CallForms(
                signature: initializer.signature, name: "remote", access: initializer.access,
                submit: { "Factory(_options: _defaults)._create(\(index)) \($0)" }, returning: "Handle"
            ).declarations.map { "\(raw: $0.replacing("nonisolated func", with: "nonisolated static func"))" }
        }
    }

    private static func creation(_ actor: RemoteActorDeclaration) -> DeclSyntax {
        // A class bound to a global actor is created on it.
        let isolation = actor.globalActor.map { "@\($0) " } ?? "nonisolated(nonsending) "
        var lines = ["\(actor.access)\(isolation)static func _create(_ initializer: UInt32, _ call: Manta::_Invocation) async throws -> \(actor.name) {", "switch initializer {"]
        for (index, initializer) in actor.initializers.map(\.signature).enumerated() {
            let effects = "\(initializer.isThrowing || !initializer.parameters.isEmpty ? "try " : "")\(initializer.isAsync ? "await " : "")"
            lines.append("\(index == actor.initializers.count - 1 ? "default" : "case \(index)"): return \(effects)\(actor.name)(\(initializer.decodedArguments))")
        }
        lines += ["}", "}"]
        return "\(raw: lines.joined(separator: "\n"))"
    }

    private static func dispatch(_ actor: RemoteActorDeclaration) -> DeclSyntax {
        let isolation = actor.isClass && actor.globalActor == nil ? "nonisolated(nonsending) " : ""
        var lines = ["\(actor.access)\(isolation)func _dispatch(_ method: UInt32, _ call: Manta::_Invocation) async throws -> Manta::_Reply {"]
        if actor.methods.isEmpty {
            lines += ["return Manta::_Reply.void", "}"]
            return "\(raw: lines.joined(separator: "\n"))"
        }
        // The worker runs the calls of a class one by one, so its async methods may take the instance with them.
        let usesSelf = actor.isClass && actor.globalActor == nil && actor.methods.contains { $0.signature.isAsync }
        if usesSelf { lines.append("let instance = Manta::_OneByOne(self)") }
        lines.append("switch method {")
        for (index, method) in actor.methods.enumerated() {
            let signature = method.signature
            lines.append("\(index == actor.methods.count - 1 ? "default" : "case \(index)"):")
            let effects = "\(signature.isThrowing || !signature.parameters.isEmpty ? "try " : "")\(signature.isAsync ? "await " : "")"
            let receiver = usesSelf && signature.isAsync ? "instance.value" : "self"
            lines += signature.reply(to: "\(effects)\(receiver).\(signature.baseName)(\(signature.decodedArguments))")
        }
        lines += ["}", "}"]
        return "\(raw: lines.joined(separator: "\n"))"
    }
}
