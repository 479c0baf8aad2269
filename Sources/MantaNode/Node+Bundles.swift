// Node+Bundles: what the head asks of this node for placement groups, handed to the lease book.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension Node {
    /// What a head that does not know this node is told.
    var heldBundles: [HeldBundlesReport] {
        book.heldBundles.map { HeldBundlesReport(specification: $0.specification, indices: $0.indices, isCommitted: $0.isCommitted) }
    }

    func prepareBundles(_ message: PrepareBundles, correlation: Correlation, on link: Link) throws(MantaError) {
        try book.prepare(message.specification, message.indices, attempt: message.attempt, at: loop.now) { perform($0) }
        link.reply(to: correlation, Acknowledged())
    }

    func commitBundles(_ message: CommitBundles, correlation: Correlation, on link: Link) throws(MantaError) {
        try book.commit(message.group, message.indices, attempt: message.attempt, at: loop.now) { perform($0) }
        link.reply(to: correlation, Acknowledged())
    }
}
