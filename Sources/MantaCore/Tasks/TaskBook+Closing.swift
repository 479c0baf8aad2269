// The end of a TaskBook: its process leaves, and every task ends with that.

package import MantaModel

extension TaskBook {
    /// Ends every task with the error and gives every lease back; the book is empty afterwards.
    package mutating func endAll(_ error: MantaError, at now: Instant, perform: (Action) -> Void) {
        for task in tasks.keys.sorted() { end(task, .failed(error), at: now, perform) }
        for number in leases.keys.sorted() {
            guard let lease = leases[number] else { continue }
            perform(.returnLease(id(of: number), node: lease.node))
            forget(number)
        }
    }
}
