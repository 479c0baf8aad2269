// Expansion: expands source in which the macros are known and compares it, with what was reported, to what must come out.

import MantaMacros
import SwiftSyntax
import SwiftSyntaxBuilder
import SwiftSyntaxMacroExpansion
import SwiftSyntaxMacrosGenericTestSupport
import Testing

let macros: [String: MacroSpec] = [
    "Remote": MacroSpec(type: RemoteMacro.self),
    "RemoteActor": MacroSpec(type: RemoteActorMacro.self, conformances: ["Manta::RemoteActor"]),
    "RemoteMethod": MacroSpec(type: RemoteMethodMacro.self),
    "remote": MacroSpec(type: RemoteClosureMacro.self),
    "Deployable": MacroSpec(type: DeployableMacro.self),
]

/// Expands `source` and records an issue where the result differs from `expected`.
func expectExpansion(
    of source: String, _ expected: String, diagnostics: [DiagnosticSpec] = [], fixed: String? = nil, file: String = "test.swift",
    fileID: StaticString = #fileID, filePath: StaticString = #filePath, line: UInt = #line, column: UInt = #column
) {
    assertMacroExpansion(
        source, expandedSource: expected, diagnostics: diagnostics, macroSpecs: macros, fixedSource: fixed, testModuleName: "Shop", testFileName: file,
        failureHandler: { failure in
            Issue.record(
                Comment(rawValue: failure.message),
                sourceLocation: SourceLocation(
                    fileID: failure.location.fileID, filePath: failure.location.filePath, line: failure.location.line, column: failure.location.column))
        }, fileID: fileID, filePath: filePath, line: line, column: column)
}

/// The source is refused with exactly this message, and what is left is the source without its attribute.
func expectRefusal(
    of source: String, _ message: String, line: Int = 1, column: Int, fix: String? = nil, fixed: String? = nil, file: String = "test.swift",
    fileID: StaticString = #fileID, filePath: StaticString = #filePath, sourceLine: UInt = #line, sourceColumn: UInt = #column
) {
    let stripped = source.replacing("@RemoteActor ", with: "").replacing("@Remote ", with: "").replacing("@Deployable ", with: "")
    expectExpansion(
        of: source, stripped,
        diagnostics: [DiagnosticSpec(message: message, line: line, column: column, fixIts: fix.map { [FixItSpec(message: $0)] } ?? [])], fixed: fixed,
        file: file, fileID: fileID, filePath: filePath, line: sourceLine, column: sourceColumn)
}
