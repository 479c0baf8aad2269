// Endpoint: where a process listens, as one text that others pass on and that whoever connects takes apart.
//
// | text | who listens there |
// | --- | --- |
// | `tcp://host:port` | a process that everyone reaches in the same way: a head |
// | `ipc://path` | a process that only its own machine reaches |
// | `tcp://host:port;machine=name;ipc://path` | one that its own machine reaches by the path, and every other one by the address |

/// A place to connect to.
package struct Endpoint: Hashable, Sendable {
    /// `tcp://host:port`; nil: other machines cannot reach it.
    package var network: String?
    /// `ipc://path`; nil: its own machine goes by the network, too.
    package var local: String?
    /// Which machine it is on; nil: not said.
    package var machine: String?

    package init(network: String? = nil, local: String? = nil, machine: String? = nil) {
        (self.network, self.local, self.machine) = (network, local, machine)
    }

    private static let machineMark = "machine="

    /// Takes a text apart; one of no form above is left to ZeroMQ to judge.
    package init(_ text: String) {
        // The path is last, so that it may hold anything.
        let parts = text.split(separator: ";", maxSplits: 2, omittingEmptySubsequences: false)
        if parts.count == 3, parts[0].hasPrefix("tcp://"), parts[1].hasPrefix(Self.machineMark), parts[2].hasPrefix("ipc://") {
            self.init(network: String(parts[0]), local: String(parts[2]), machine: String(parts[1].dropFirst(Self.machineMark.count)))
        } else if text.hasPrefix("ipc://") {
            self.init(local: text)
        } else {
            self.init(network: text)
        }
    }

    package var text: String {
        guard let network, let local, let machine else { return network ?? local ?? "" }
        return "\(network);\(Self.machineMark)\(machine);\(local)"
    }

    /// Where a process on `machine` connects.
    package func address(from machine: String) -> String {
        if let local, self.machine == nil || self.machine == machine { return local }
        return network ?? local ?? ""
    }
}
