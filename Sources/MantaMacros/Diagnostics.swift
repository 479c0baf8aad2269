// Diagnostics: what the macros say about a declaration they cannot make remote, and the fixes they offer.

import SwiftDiagnostics
import SwiftSyntax
import SwiftSyntaxMacros

struct RemoteMessage: DiagnosticMessage, FixItMessage {
    let message: String
    let severity = DiagnosticSeverity.error
    private let identifier: String

    init(_ message: String) {
        self.message = message
        // The first words say which complaint it is.
        identifier = message.split(separator: ":").first.map(String.init) ?? message
    }

    var diagnosticID: MessageID { MessageID(domain: "Manta", id: identifier) }
    var fixItID: MessageID { diagnosticID }
}

extension Diagnostic {
    static func error(_ node: some SyntaxProtocol, _ message: String, fixIts: [FixIt] = []) -> Diagnostic {
        Diagnostic(node: node, message: RemoteMessage(message), fixIts: fixIts)
    }
}

extension FixIt {
    static func replacing(_ old: some SyntaxProtocol, with new: some SyntaxProtocol, _ message: String) -> FixIt {
        FixIt(message: RemoteMessage(message), changes: [.replace(oldNode: Syntax(old), newNode: Syntax(new))])
    }
}

extension MacroExpansionContext {
    func report(_ diagnostics: [Diagnostic]) {
        for diagnostic in diagnostics { diagnose(diagnostic) }
    }
}
