// Plugin: the macros this compiler plug-in provides.

import SwiftCompilerPlugin
import SwiftSyntaxMacros

@main
struct MantaMacrosPlugin: CompilerPlugin {
    let providingMacros: [any Macro.Type] = [
        RemoteMacro.self, RemoteActorMacro.self, RemoteMethodMacro.self, RemoteClosureMacro.self, DeployableMacro.self,
    ]
}
