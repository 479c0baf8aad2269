// DeployableMacro: `@Deployable` on a backend's type: the record that registers it under its name.

import SwiftDiagnostics
import SwiftSyntax
import SwiftSyntaxMacros

public struct DeployableMacro: MemberMacro {
    public static var formatMode: FormatMode { .disabled }

    public static func expansion(
        of node: AttributeSyntax, providingMembersOf declaration: some DeclGroupSyntax, conformingTo protocols: [TypeSyntax],
        in context: some MacroExpansionContext
    ) throws -> [DeclSyntax] {
        var diagnostics: [Diagnostic] = []
        guard !declaration.is(ProtocolDeclSyntax.self), let type = declaration.asProtocol((any NamedDeclSyntax).self) else {
            context.report([.error(node, "@Deployable is for a struct, final class, actor or enum that conforms to Backend")])
            return []
        }
        if let generics = declaration.asProtocol((any WithGenericParametersSyntax).self)?.genericParameterClause {
            diagnostics.append(.error(generics, "a backend that is deployed by its name cannot be generic: the name says nothing of types"))
        }
        if declaration.modifiers.contains(.private, .fileprivate) {
            diagnostics.append(.error(node, "a backend that is deployed by its name cannot be private: other processes have another name for it"))
        }
        _ = Place(of: declaration.introducer, in: context, what: "backend", diagnostics: &diagnostics)
        guard diagnostics.isEmpty else {
            context.report(diagnostics)
            return []
        }
        return [
            "@section(\"manta_records\") @used nonisolated private static let _record: MantaServe::_BackendRecord = (4, 1, { unsafe MantaServe::_register($0, backend: \(raw: type.name.text).self) }, 0)"
        ]
    }
}
