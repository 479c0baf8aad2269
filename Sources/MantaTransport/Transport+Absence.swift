// Transport+Absence: peers that are gone, and those of this machine that only stand still. A process listens from before anyone hears of it until it ends, and
// the kernel of its machine refuses whoever connects where nobody listens: so nobody needs to wait for a dead peer, and of this machine nobody gives up a slow
// one. A machine that is silent says nothing: its processes have the grace.
//
// Only links to a process, not those to a place where another one may come: a link whose process is gone can be of no use any more.

import MantaLoop
package import MantaModel

extension Limits {
    /// So long a process of this machine that listens may leave its peers without a word, on a machine that is busy or stands still.
    fileprivate static let standstill: Duration = .seconds(30)
}

extension Link {
    /// Whether a peer has ever said who it is.
    package var wasOpened: Bool { peer != nil }

    /// What is at the place where the peer has never been, for error texts.
    package var findings: String {
        wasAccepted ? "somebody listens there who does not answer as a process of Manta does: another program, or one that stands still" : "nobody listens there"
    }

    /// Whether the link leads to a process that must listen at the other end for as long as it lives.
    var hasListener: Bool { direction == .outgoing && expectedProcess != nil }

    /// The path at which it must listen; nil where that is no path, or cannot be known.
    var listenerPath: String? { hasListener && endpoint.hasPrefix("ipc://") ? String(endpoint.dropFirst("ipc://".count)) : nil }
}

extension Transport {
    /// ZeroMQ could not connect, or is about to connect anew: when that is in vain, the link ends.
    func lookForListener(of link: Link) {
        guard !link.isClosed, link.hasListener else { return }
        if let path = link.listenerPath {
            if !AbandonedSockets.isListening(path) { nobodyListens(to: link) }
        } else if link.probe == nil {
            link.probe = ListenerProbe(of: link.endpoint, on: loop) { [unowned self] isRefused in
                link.probe = nil
                if isRefused { nobodyListens(to: link) }
            }
        }
    }

    private func nobodyListens(to link: Link) {
        guard !link.isClosed, delegate?.waitsForWord(of: link) != true else { return }
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
