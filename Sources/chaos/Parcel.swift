// Parcel: a value whose every word follows from its key, so that whoever holds the key can tell a whole one from a wrong one; and the items of a soak, each of
// which knows whose death would excuse its loss.

import Manta
import MantaModel

struct Parcel: Codable, Sendable {
    var key: UInt64
    /// Read in place where it lies in a store.
    var words: SharedArray<UInt64>

    init(key: UInt64, count: Int) {
        self.key = key
        words = SharedArray((0..<count).map { Self.word(key, $0) })
    }

    private static func word(_ key: UInt64, _ index: Int) -> UInt64 { (key &+ UInt64(truncatingIfNeeded: index)) &* 0x9E37_79B9_7F4A_7C15 }

    /// What of each word makes the checksum.
    private static func mixed(_ sum: UInt64, _ word: UInt64) -> UInt64 { (sum << 7 | sum >> 57) ^ word }

    /// What is wrong with it; nil when it is what was made from the key.
    func fault(key: UInt64, count: Int) -> String? {
        guard self.key == key, words.count == count else { return "it has key \(self.key) and \(words.count) words, expected key \(key) and \(count) words" }
        var (found, expected): (UInt64, UInt64) = (0, 0)
        words.withUnsafeBufferPointer { words in
            for index in words.indices {
                found = Self.mixed(found, words[index])
                expected = Self.mixed(expected, Self.word(key, index))
            }
        }
        guard found != expected else { return nil }
        let first = words.indices.first { words[$0] != Self.word(key, $0) } ?? 0
        return "its checksum is \(found), expected \(expected); the first wrong word is number \(first): \(words[first]), expected \(Self.word(key, first))"
    }
}

/// Whose death excuses that an object cannot be had. Nobody's excuses a wrong value.
struct Excuse: Codable, Sendable, Hashable {
    /// Nodes that hold what cannot be made again.
    var nodes: Set<NodeID> = []
    /// Processes that own it, or handed it on.
    var processes: Set<Int32> = []
    /// It was made by a task that runs once: any death since then excuses.
    var since: WallTime?

    static func + (left: Self, right: Self) -> Self {
        let since = left.since.map { one in right.since.map { min(one, $0) } ?? one } ?? right.since
        return Excuse(nodes: left.nodes.union(right.nodes), processes: left.processes.union(right.processes), since: since)
    }
}

/// An object of a soak.
struct Item: Codable, Sendable {
    /// How it came to be, in a word.
    var origin: String
    var key: UInt64
    var count: Int
    var reference: ObjectReference<Parcel>
    var excuse: Excuse

    /// What is wrong with it; nil when it can be had and is whole.
    func fault(patience: Duration) async -> Failure? {
        do {
            let parcel = try await Manta.get([reference], timeout: patience)[0]
            return parcel.fault(key: key, count: count).map { Failure(what: what, code: Failure.wrong, text: $0, excuse: excuse) }
        } catch { return Failure(what: what, error, excuse: excuse) }
    }

    var what: String { "\(origin) \(reference.id) of \(count) words" }
}

/// Something that did not come out as it should.
struct Failure: Codable, Sendable {
    static let wrong = "wrongValue"
    var what: String
    /// Of the error, or `wrongValue`.
    var code: String
    var text: String
    var excuse: Excuse
}

extension Failure {
    init(what: String, _ error: any Error, excuse: Excuse) {
        self.init(what: what, code: (error as? MantaError)?.code.rawValue ?? "\(type(of: error))", text: "\(error)", excuse: excuse)
    }
}
