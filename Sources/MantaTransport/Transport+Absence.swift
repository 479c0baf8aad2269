// Transport+Absence: peers of this machine that are gone, and those that only stand still. A process listens at its path from before anyone hears of it until
// it ends, and the kernel refuses whoever connects to a path at which nobody listens: so nobody needs to wait for a dead peer, nor give up a slow one.
//
// Only links to a process, not those to a place where another one may come: a link whose process is gone can be of no use any more.

import MantaLoop
package import MantaModel

extension Limits {
    /// So long a process of this machine that listens may leave its peers without a word, on a machine that is busy or stands still.
    fileprivate static let standstill: Duration = .seconds(30)
}

extension Link {
    /// The path at which the process must listen that the link leads to; nil where that cannot be known.
    var listenerPath: String? {
        guard direction == .outgoing, expectedProcess != nil, endpoint.hasPrefix("ipc://") else { return nil }
        return String(endpoint.dropFirst("ipc://".count))
    }
}

extension Transport {
    /// ZeroMQ could not connect, or is about to connect anew: when that is in vain, the link ends.
    func lookForListener(of link: Link) {
        guard !link.isClosed, let path = link.listenerPath, !AbandonedSockets.isListening(path), delegate?.waitsForWord(of: link) != true else { return }
        close(link, MantaError(.unavailable, "\(link.peerDescription) is gone: nobody listens there any more"), saysGoodbye: false, tellsDelegate: true)
    }

    /// What was waited for before these links end has come.
    package func lookAgain(for process: ProcessID) {
        for link in outgoing.values where link.expectedProcess == process && link.awaySince != nil { lookForListener(of: link) }
    }

    /// The grace has ended, and the peer may be there all the same: it listens, or others have yet to tell how it ended.
    func mayStillCome(_ link: Link) -> Bool {
        guard let path = link.listenerPath, let since = link.awaySince, EventLoop.clock() - since < Limits.standstill else { return false }
        return AbandonedSockets.isListening(path) || delegate?.waitsForWord(of: link) == true
    }
}
