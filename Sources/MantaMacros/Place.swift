// Place: where a declaration stands: module, file, enclosing types; it makes the stable name a worker finds the declaration by.
//
// The name is `Module.Type.function(label:)`. What is private to a file also carries the file's name, since another file may have the same.

import SwiftDiagnostics
import SwiftSyntax
import SwiftSyntaxMacros

struct Place {
    let module: String
    let file: String
    /// Names of the enclosing types, the outermost first.
    var types: [String] = []
    var isInExtensionOrType: Bool { !types.isEmpty }

    /// Reads the surroundings; reports those in which nothing remote can be declared.
    init?(of node: some SyntaxProtocol, in context: some MacroExpansionContext, what: String, allowsLocal: Bool = false, diagnostics: inout [Diagnostic]) {
        let count = diagnostics.count
        let text = context.location(of: node, at: .afterLeadingTrivia, filePathMode: .fileID)?
            .file.as(StringLiteralExprSyntax.self)?.representedLiteralValue ?? "Main/File.swift"
        let parts = text.split(separator: "/")
        module = parts.first.map(String.init) ?? "Main"
        file = parts.last.map(String.init) ?? "File.swift"
        if file == "main.swift" {
            diagnostics.append(
                .error(node, "a remote \(what) cannot stand in main.swift: workers do not run its top-level code, so its globals would be empty there; move it to another file"))
        }
        for enclosing in context.lexicalContext {
            if let type = enclosing.asProtocol((any NamedDeclSyntax).self), enclosing.isProtocol((any DeclGroupSyntax).self) {
                types.insert(type.name.text, at: 0)
            } else if let extended = enclosing.as(ExtensionDeclSyntax.self) {
                types.insert(contentsOf: extended.extendedType.trimmedDescription.split(separator: ".").map(String.init), at: 0)
            } else if !allowsLocal {
                diagnostics.append(.error(node, "a remote \(what) cannot be local to a function: a worker could not reach it; move it to a file or type"))
                break
            }
            if let generic = enclosing.asProtocol((any WithGenericParametersSyntax).self)?.genericParameterClause {
                _ = generic
                diagnostics.append(.error(node, "a remote \(what) cannot stand in a generic type or function: a worker finds it by its name, which says nothing of types"))
                break
            }
            if enclosing.is(ProtocolDeclSyntax.self) {
                diagnostics.append(.error(node, "a remote \(what) cannot be a requirement of a protocol"))
                break
            }
        }
        if diagnostics.count > count { return nil }
    }

    /// The stable name of something declared here.
    func name(_ name: String, isPrivate: Bool) -> String {
        let path = ([module] + types + [name]).joined(separator: ".")
        return isPrivate ? "\(path) in \(file)" : path
    }
}

extension DeclModifierListSyntax {
    func contains(_ keywords: Keyword...) -> Bool {
        contains { modifier in keywords.contains { modifier.name.tokenKind == .keyword($0) } && modifier.detail == nil }
    }

    /// The access level as written, or nothing; `open` becomes `public`.
    var access: String {
        if contains(.public, .open) { return "public " }
        if contains(.package) { return "package " }
        if contains(.fileprivate) { return "fileprivate " }
        if contains(.private) { return "private " }
        return ""
    }
}

/// Text as a Swift string literal.
func literal(_ text: String) -> String {
    "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n") + "\""
}
