// ActorNames: the named actors this process has looked up. A name belongs to its actor until that dies, so it needs to be asked for only once, and
// look-ups of actors in use do not need the head.

import MantaModel
import MantaWire

struct ActorNames {
    struct Key: Hashable {
        var name: String
        var namespace: String
    }

    /// More names than this are asked for anew.
    private static let limit = 10_000

    private var known: [Key: (id: ActorID, type: String)] = [:]

    subscript(_ key: Key) -> (id: ActorID, type: String)? { known[key] }

    mutating func add(_ key: Key, _ status: ActorStatus) {
        if known.count >= Self.limit { known.removeAll() }
        known[key] = (status.id, status.type)
    }

    mutating func forget(_ actor: ActorID) {
        for (key, entry) in known where entry.id == actor { known[key] = nil }
    }
}
