// ArgumentPlacement: where a task goes because of its large arguments: to the node whose store holds most of their bytes.

package import MantaModel

/// A node, and what a task's arguments lack there.
package struct ArgumentPlacement: Hashable, Sendable {
    package var node: NodeAddress
    /// Those that no copy of is known there.
    package var missing: [ArgumentLocation]

    /// The node that holds most bytes of the arguments; of equal ones the owner's own, then the one with the smallest identifier.
    package init(of arguments: [ArgumentLocation], home: NodeAddress) {
        var bytes: [NodeAddress: Int] = [home: 0]
        for argument in arguments {
            for source in argument.sources { bytes[source, default: 0] += argument.size }
        }
        let best = bytes.max { ($0.value, $0.key == home ? 1 : 0, $1.key.node) < ($1.value, $1.key == home ? 1 : 0, $0.key.node) }?.key ?? home
        node = best
        missing = arguments.filter { !$0.sources.contains(best) }
    }
}
