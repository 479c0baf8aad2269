// Node+Leftovers: what processes of this machine that were killed leave behind: their sockets, and the spilled objects of nodes. Each of them holds the lock
// beside what is its own while it lives, so what nobody holds is removed: a process's when it ends, everything when a node starts and when one is lost.
// Workers hold none, since there may be thousands: a worker's socket is its node's to remove, and that of a lost node's worker is known by its silence.

import Glibc
import MantaLoop
import MantaModel

extension Limits {
    /// The workers of a node that was killed are gone soon after it.
    fileprivate static let leftoverDelay: Duration = .seconds(2)
    /// A socket at which nobody answers for so long after it was made is nobody's.
    fileprivate static let abandonedSocketAge: Duration = .seconds(1)
}

extension Node {
    /// What a process of this machine that is gone had its socket at.
    func removeSocket(_ endpoint: String) {
        guard let local = Endpoint(endpoint).local, local.hasPrefix("ipc:///") else { return }
        PathLock.removeAbandoned(String(local.dropFirst(6)))
    }

    /// Another node is gone, perhaps of this machine.
    func removeLeftoversLater() {
        _ = loop.schedule(after: Limits.leftoverDelay) { [configuration, store] in
            store?.onDisk { Self.removeLeftovers(configuration) }
        }
    }

    static func removeLeftovers(_ configuration: NodeConfiguration) {
        PathLock.removeAbandoned(in: configuration.runtimeDirectory) { $0.hasSuffix(".sock") || $0.hasSuffix(".spill") }
        AbandonedSockets.remove(in: configuration.runtimeDirectory, olderThan: Limits.abandonedSocketAge)
        guard let end = configuration.spillDirectory.lastIndex(of: "/") else { return }
        let folder = String(configuration.spillDirectory[..<end])
        // A folder of the user's own: only what nodes have named.
        if folder != configuration.runtimeDirectory { PathLock.removeAbandoned(in: folder) { $0.hasPrefix("manta-") && $0.hasSuffix(".spill") } }
    }
}
