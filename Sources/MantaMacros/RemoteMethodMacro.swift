// RemoteMethodMacro: `@RemoteMethod` on a method of a remote actor: nothing by itself; `@RemoteActor` reads its arguments.

import SwiftSyntax
import SwiftSyntaxMacros

public struct RemoteMethodMacro: PeerMacro {
    public static func expansion(
        of node: AttributeSyntax, providingPeersOf declaration: some DeclSyntaxProtocol, in context: some MacroExpansionContext
    ) throws -> [DeclSyntax] {
        let isInType = context.lexicalContext.first.map { $0.is(ActorDeclSyntax.self) || $0.is(ClassDeclSyntax.self) } ?? false
        guard declaration.is(FunctionDeclSyntax.self), isInType else {
            context.report([.error(node, "@RemoteMethod is for the methods of an actor or class with @RemoteActor")])
            return []
        }
        return []
    }
}
