// SoakNotes: the file in which a client notes every failure as it happens, so that its death loses nothing of that, and in the end what it has done.
//
// One line is one write at the file's end:
// `failed CODE nodes=ID,… processes=PID,… since=MILLISECONDS at=MILLISECONDS | text`, `did WHAT COUNT`, and `empty` when the client holds nothing any more.

import Glibc
import MantaLoop
import MantaModel
import Synchronization

/// The client's side.
final class SoakNotes: Sendable {
    private let descriptor: Int32
    private let counts = Mutex<[String: Int]>([:])

    init(path: String) throws {
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw MantaError(.system, "the notes \(path) cannot be written: \(String(cString: strerror(errno)))") }
    }

    func did(_ what: String, _ count: Int = 1) { counts.withLock { $0[what, default: 0] += count } }

    func failed(_ failure: Failure) {
        let excuse = failure.excuse
        let nodes = excuse.nodes.map(\.description).joined(separator: ",")
        let processes = excuse.processes.map(\.description).joined(separator: ",")
        let text = "\(failure.what): \(failure.text)".split(separator: "\n").joined(separator: " / ")
        note("failed \(failure.code) nodes=\(nodes) processes=\(processes) since=\(excuse.since?.milliseconds ?? 0) at=\(WallTime.now.milliseconds) | \(text)")
    }

    /// Nothing is held any more.
    func empty() {
        for (what, count) in counts.withLock({ $0 }) { note("did \(what) \(count)") }
        note("empty")
    }

    private func note(_ line: String) {
        var text = line + "\n"
        text.withUTF8 { _ = write(descriptor, $0.baseAddress, $0.count) }
    }
}

/// What a client's notes say.
struct SoakAccounts {
    struct Noted {
        var code: String
        var nodes: Set<String>
        var processes: Set<Int32>
        var since: Int64
        var at: Int64
        var line: String
    }
    var failures: [Noted] = []
    var counts: [String: Int] = [:]
    var isEmpty = false

    init(path: String) {
        for line in TextFile.lines(of: path) {
            let words = line.split(separator: " ", maxSplits: 6)
            switch words.first {
            case "failed" where words.count == 7: failures.append(Noted(words, String(line)))
            case "did" where words.count == 3: counts[String(words[1]), default: 0] += Int(words[2]) ?? 0
            case "empty": isEmpty = true
            default: continue
            }
        }
    }
}

extension SoakAccounts.Noted {
    fileprivate init(_ words: [Substring], _ line: String) {
        func list(_ word: Substring) -> [String] { (word.split(separator: "=").dropFirst().first ?? "").split(separator: ",").map(String.init) }
        (code, nodes) = (String(words[1]), Set(list(words[2])))
        processes = Set(list(words[3]).compactMap { Int32($0) })
        (since, at) = (Int64(list(words[4]).first ?? "") ?? 0, Int64(list(words[5]).first ?? "") ?? 0)
        self.line = line
    }
}
