// ProtocolDocument: what the documentation of the protocol says, as data: the headings and tables of Messages.md and of the files below Messages.

import Foundation

/// A row of a table of fields.
struct DocumentedField: Equatable {
    /// In fixed and bare form.
    var place: Int?
    var name: String
    var type: String
}

/// A kind of message, or a structure, as it is described.
struct DocumentedEntry {
    /// Nil: a structure.
    var number: UInt16?
    var name: String
    var file: String
    var line: Int
    /// The line below the heading.
    var summary = ""
    var fields: [DocumentedField] = []

    /// From whom to whom, how it is answered, its form.
    var parts: [String] { summary.components(separatedBy: " · ") }
}

enum ProtocolDocument {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Sources/MantaWire/MantaWire.docc")

    static func text(of file: String) throws -> String { try String(contentsOf: folder.appending(path: file), encoding: .utf8) }

    static func files() throws -> [String] {
        ["Messages.md"] + (try FileManager.default.contentsOfDirectory(atPath: folder.appending(path: "Messages").path)).sorted().map { "Messages/\($0)" }
    }

    /// Everything with a heading of the third level, in the order of the files.
    static func entries() throws -> [DocumentedEntry] {
        var entries: [DocumentedEntry] = []
        for file in try files() {
            var isOpen = false
            for (index, line) in try text(of: file).components(separatedBy: "\n").enumerated() {
                if line.hasPrefix("### ") {
                    let words = line.dropFirst(4).split(separator: " ").map(String.init)
                    let number = words.count == 2 ? UInt16(words[0]) : nil
                    entries.append(DocumentedEntry(number: number, name: words.last ?? "", file: file, line: index + 1))
                    isOpen = true
                } else if line.hasPrefix("#") {
                    isOpen = false
                } else if isOpen, !line.isEmpty {
                    if entries[entries.count - 1].summary.isEmpty { entries[entries.count - 1].summary = line }
                    if let field = field(in: line) { entries[entries.count - 1].fields.append(field) }
                }
            }
        }
        return entries
    }

    private static func field(in line: String) -> DocumentedField? {
        let cells = line.components(separatedBy: "|").dropFirst().dropLast().map { $0.trimmingCharacters(in: .whitespaces) }
        guard cells.count >= 3, cells[0] != "---", cells[0] != "field", cells[0] != "#" else { return nil }
        return cells.count == 4 ? DocumentedField(place: Int(cells[0]), name: cells[1], type: cells[2]) : DocumentedField(name: cells[0], type: cells[1])
    }

    /// The bytes of a file's example: the first block of code behind a heading that ends with "in bytes".
    static func example(in file: String) throws -> String {
        let lines = try text(of: file).components(separatedBy: "\n").drop { !($0.hasPrefix("## ") && $0.hasSuffix("in bytes")) }
        return lines.drop { $0 != "```" }.dropFirst().prefix { $0 != "```" }.joined(separator: " ")
    }
}
