// Ledger: the file in which a producer notes each number when it is begun, submitted and done, so that its death loses nothing of that.
//
// One line is one write at the file's end. `submitted` may come twice for none, `done` and `failed` together once for each number.

import Glibc
import MantaModel

/// The producer's side.
final class Ledger: Sendable {
    private let descriptor: Int32

    init(path: String) throws {
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw MantaError(.system, "the ledger \(path) cannot be written: \(String(cString: strerror(errno)))") }
    }

    func begun(_ number: Int) { note("begun \(number)") }
    func submitted(_ number: Int, as task: TaskID) { note("submitted \(number) \(task)") }
    func done(_ number: Int) { note("done \(number)") }
    func failed(_ number: Int, _ error: String) { note("failed \(number) \(error.split(separator: "\n").joined(separator: " | "))") }

    private func note(_ line: String) {
        var text = line + "\n"
        text.withUTF8 { _ = write(descriptor, $0.baseAddress, $0.count) }
    }
}

/// What a ledger says.
struct Accounts {
    var begun: Set<Int> = []
    var tasks: [Int: TaskID] = [:]
    var done: [Int: Int] = [:]
    var failed: [Int: String] = [:]

    init(path: String) {
        for line in TextFile.lines(of: path) {
            let words = line.split(separator: " ", maxSplits: 2)
            guard words.count >= 2, let number = Int(words[1]) else { continue }
            switch words[0] {
            case "begun": begun.insert(number)
            case "submitted": tasks[number] = words.count > 2 ? TaskID(String(words[2])) : nil
            case "done": done[number, default: 0] += 1
            case "failed": failed[number] = words.count > 2 ? String(words[2]) : "without a word"
            default: continue
            }
        }
    }

    var missing: [Int] { begun.filter { done[$0] == nil && failed[$0] == nil }.sorted() }
}

enum TextFile {
    /// The whole lines of a file; none when it is not there.
    static func lines(of path: String) -> [Substring] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var (bytes, part) = ([UInt8](), [UInt8](repeating: 0, count: 1 << 16))
        while case let count = read(descriptor, &part, part.count), count > 0 { bytes += part[..<count] }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    }

    /// The names in a folder.
    static func names(in folder: String) -> [String] {
        guard let listing = opendir(folder) else { return [] }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) {
            names.append(withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return names.filter { $0 != "." && $0 != ".." }.sorted()
    }
}
