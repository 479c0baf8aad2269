// Checkout: the project's own files as these tests read them, found from this file's place.
//
// Nothing is compiled or run: every rule looks at text. Build folders and hidden folders other than .ci are not part of the project.

import Foundation
import Testing

enum Checkout {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every text file of the project, in the order of their paths.
    static let files: [SourceFile] = {
        var files: [SourceFile] = []
        for folder in ["Sources", "Tests", "config", "deploy", "web", ".ci"] {
            let base = root.appending(path: folder)
            guard let enumerator = FileManager.default.enumerator(at: base, includingPropertiesForKeys: [.isRegularFileKey], options: [.skipsHiddenFiles])
            else { continue }
            for case let url as URL in enumerator {
                guard (try? url.resourceValues(forKeys: [.isRegularFileKey]).isRegularFile) == true, let text = try? String(contentsOf: url, encoding: .utf8)
                else { continue }
                files.append(SourceFile(path: String(url.path.dropFirst(root.path.count + 1)), text: text))
            }
        }
        return files.sorted { $0.path < $1.path }
    }()

    static let swiftFiles = files.filter { $0.path.hasSuffix(".swift") }

    /// What lies in the project's folder, without what git ignores.
    static var topLevel: [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        return names.filter { ![".git", ".build", ".swiftpm"].contains($0) && !$0.hasSuffix(".swp") }.sorted()
    }
}

/// One file, with what its rules need of it.
struct SourceFile: Sendable {
    let path: String
    let lines: [String]
    /// The same lines with comments and the contents of string literals blanked out; equal to `lines` for languages other than Swift.
    let code: [String]

    init(path: String, text: String) {
        self.path = path
        lines = text.components(separatedBy: "\n")
        code = path.hasSuffix(".swift") ? SwiftText.codeOnly(text).components(separatedBy: "\n") : lines
    }

    var name: String { String(path.split(separator: "/").last ?? "") }
    /// `swift`, `sh`; for a file without an extension the interpreter that its first line names.
    var language: String {
        if let dot = name.lastIndex(of: "."), dot != name.startIndex { return String(name[name.index(after: dot)...]) }
        guard let first = lines.first, first.hasPrefix("#!") else { return "" }
        return first.contains("python") ? "py" : first.contains("sh") ? "sh" : ""
    }
    /// The module that a file of Sources belongs to: its folder, or the folder below Examples.
    var module: String? {
        let parts = path.split(separator: "/").map(String.init)
        guard parts.count > 2, parts[0] == "Sources" else { return nil }
        return parts[1] == "Examples" ? parts[2] : parts[1]
    }
    var isTest: Bool { path.hasPrefix("Tests/") }

    /// Whether a comment stands on the line, or is the whole line above it.
    func isExplained(at index: Int) -> Bool {
        lines[index].contains("//") || index > 0 && lines[index - 1].trimmingPrefix(while: { $0 == " " }).hasPrefix("//")
    }
}

/// A broken rule, where it is broken, and what to do about it.
struct Violation: CustomStringConvertible {
    let path: String
    let line: Int
    let advice: String
    init(_ file: SourceFile, line: Int, _ advice: String) { (path, self.line, self.advice) = (file.path, line, advice) }
    init(path: String, line: Int = 1, _ advice: String) { (self.path, self.line, self.advice) = (path, line, advice) }
    var description: String { "\(path):\(line): \(advice)" }
}

/// Fails the test once for each violation, at the place of the violation.
func report(_ violations: [Violation]) {
    for violation in violations {
        let place = SourceLocation(
            fileID: "Manta/\(violation.path)", filePath: Checkout.root.appending(path: violation.path).path, line: violation.line, column: 1)
        Issue.record("\(violation)", sourceLocation: place)
    }
}
