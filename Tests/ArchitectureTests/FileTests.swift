// FileTests: every file opens with its statement, keeps to its length, is named for what it holds, and lies where such files lie.

import Testing

struct FileTests {
    static let lengthLimit = 500
    /// Word that begins the reason, in the opening statement, why a file may be longer.
    static let reason = "Long because"
    /// What the project's folder may hold.
    static let topLevel: Set<String> = [".ci", ".gitignore", "Package.resolved", "Package.swift", "README.md", "Sources", "Tests", "config", "deploy", "web"]
    /// Words that say nothing about what a file holds.
    static let emptyWords: Set<String> = ["Utils", "Util", "Utilities", "Helpers", "Helper", "Common", "Manager", "Misc", "Stuff", "Extensions"]

    static let openings: [String: [String]] = [
        "swift": ["//"], "c": ["//", "/*"], "h": ["//", "/*"], "modulemap": [], "js": ["//", "/*"], "mjs": ["//", "/*"], "css": ["/*"],
        "sh": ["#"], "bash": ["#"], "py": ["#", "\"\"\""], "yaml": ["#"], "yml": ["#"],
    ]

    /// The line of the opening statement's end, or nil when the file does not open with one.
    static func statement(of file: SourceFile) -> String? {
        guard let marks = openings[file.language], !marks.isEmpty else { return "" }
        var lines = file.lines[...]
        if lines.first?.hasPrefix("#!") == true { lines = lines.dropFirst() }
        if lines.first?.hasPrefix("// swift-tools-version") == true { lines = lines.dropFirst() }
        guard let first = lines.first, marks.contains(where: { first.hasPrefix($0) }) else { return nil }
        let block = lines.prefix { line in
            first.hasPrefix("/*") || first.hasPrefix("\"\"\"") ? true : marks.contains { line.hasPrefix($0) }
        }
        let text = block.prefix(40).joined(separator: "\n")
        return text.count >= 25 ? text : nil
    }

    @Test func everyFileOpensWithItsStatement() {
        let violations = Checkout.files.filter { Self.statement(of: $0) == nil }.map {
            Violation($0, line: 1, "open with a comment that says what the file is, what it owns and what always holds")
        }
        report(violations)
    }

    @Test func filesKeepToTheirLength() {
        let violations = Checkout.files.filter { file in
            guard Self.openings[file.language] != nil, file.lines.count - 1 > Self.lengthLimit else { return false }
            return Self.statement(of: file)?.contains(Self.reason) != true
        }.map {
            Violation($0, line: Self.lengthLimit + 1, "\($0.lines.count - 1) lines; split it by concept, or say in the opening statement \"\(Self.reason) …\"")
        }
        report(violations)
    }

    /// The words of a camel-case file name: `LeaseBook+queue.swift` is Lease, Book, queue.
    static func words(of name: String) -> [String] {
        var words: [String] = [""]
        for character in name.prefix(while: { $0 != "." }) {
            if character.isUppercase, words.last?.last?.isUppercase != true { words.append("") }
            if !character.isLetter { words.append("") } else { words[words.count - 1].append(character) }
        }
        return words.filter { !$0.isEmpty }
    }

    @Test func filesAreNamedForWhatTheyHold() {
        var violations: [Violation] = []
        for file in Checkout.files {
            let parts = file.path.split(separator: "/").map(String.init)
            for word in parts.flatMap(Self.words) where Self.emptyWords.contains(word.prefix(1).uppercased() + word.dropFirst()) {
                violations.append(Violation(file, line: 1, "\"\(word)\" does not say what is in it; name it for the noun it holds"))
            }
            if file.name.hasPrefix("Placeholder") {
                violations.append(Violation(file, line: 1, "a placeholder: leave the module out until it has something"))
            }
        }
        report(violations)
    }

    @Test func theTopLevelHoldsOnlyWhatBelongsThere() {
        let violations = Checkout.topLevel.filter { !Self.topLevel.contains($0) }.map {
            Violation(path: $0, "does not belong at the top level; put it in one of \(Self.topLevel.sorted().joined(separator: ", "))")
        }
        report(violations)
    }

    @Test func aMissingStatementIsSeen() {
        #expect(Self.statement(of: SourceFile(path: "Sources/X/A.swift", text: "import Glibc\n")) == nil)
        #expect(Self.statement(of: SourceFile(path: "Sources/X/A.swift", text: "// A: a thing that owns another thing.\nimport Glibc\n")) != nil)
        #expect(Self.statement(of: SourceFile(path: "deploy/a.sh", text: "#!/usr/bin/env bash\nset -e\n")) == nil)
        #expect(Self.words(of: "StringHelpers.swift") == ["String", "Helpers"])
        #expect(Self.words(of: "LeaseBook+queue.swift") == ["Lease", "Book", "queue"])
    }
}
