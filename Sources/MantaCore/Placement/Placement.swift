// Placement: which node an actor or a lease goes to. Pure policies over views of the nodes.
//
// A view is what a node last reported, so it may be old; whoever receives the work checks again. Only nodes that are alive are chosen. Choices are
// the same for the same views and the same random numbers, whatever the order of the views.

package import MantaModel

/// What is known of a node: its latest report.
package struct NodeView: Hashable, Sendable {
    package var id: NodeID
    package var endpoint: String
    package var total: Resources
    package var available: Resources
    package var state: NodeState
    package var labels: [String: String]

    package init(id: NodeID, endpoint: String, total: Resources, available: Resources, state: NodeState = .alive, labels: [String: String] = [:]) {
        (self.id, self.endpoint, self.total, self.available, self.state, self.labels) = (id, endpoint, total, available, state, labels)
    }

    package var address: NodeAddress { NodeAddress(node: id, endpoint: endpoint) }

    /// How full the node is, by its fullest resource: 0 is empty, 1 is full.
    package var utilization: Double {
        var fullest = 0.0
        for (name, amount) in total.amounts where amount.units > 0 {
            fullest = max(fullest, Double(amount.units - available[name].units) / Double(amount.units))
        }
        return fullest
    }

    /// Whether the demand fits now.
    package func hasRoom(for demand: Resources) -> Bool { state == .alive && available.covers(demand) }
    /// Whether the demand could ever fit.
    package func canHold(_ demand: Resources) -> Bool { state == .alive && total.covers(demand) }
    /// The same of a node that is silent at the moment too: it may speak again.
    package func mayHold(_ demand: Resources) -> Bool { state != .dead && total.covers(demand) }
}

/// A rule that chooses a node.
package enum Placement: Hashable, Sendable {
    /// The given node when the demand fits there now; else as `hybrid`.
    case localFirst(NodeID)
    /// Packs nodes up to half full, the given one first, then in order of their identifiers; beyond that, the emptiest node.
    case hybrid(preferring: NodeID?)
    /// The emptiest node; among equals a random one.
    case spread

    /// What a policy found.
    package enum Choice: Hashable, Sendable {
        /// The demand fits there now.
        case room(NodeView)
        /// It fits nowhere now; there it will when others leave.
        case later(NodeView)
        /// No node that is alive could ever hold it; the sentence says what is missing.
        case nowhere(String)

        /// The chosen node, now or later.
        package var node: NodeView? {
            switch self {
            case .room(let view), .later(let view): view
            case .nowhere: nil
            }
        }
    }

    /// Nodes are packed up to this utilization before others are used.
    package static let packingThreshold = 0.5

    /// Chooses among `views`; `generator` breaks the ties of `spread`.
    package func choose(for demand: Resources, among views: [NodeView], using generator: inout some RandomNumberGenerator) -> Choice {
        choose(for: demand, among: views, tie: generator.next())
    }

    /// Chooses among `views`; of equally empty nodes `spread` takes the one at index `tie`, modulo their number.
    package func choose(for demand: Resources, among views: [NodeView], tie: UInt64 = 0) -> Choice {
        if case .localFirst(let local) = self, let view = views.first(where: { $0.id == local }), view.hasRoom(for: demand) { return .room(view) }
        if let view = best(of: views.filter { $0.hasRoom(for: demand) }, for: demand, tie: tie) { return .room(view) }
        if let view = best(of: views.filter { $0.canHold(demand) }, for: demand, tie: tie) { return .later(view) }
        return .nowhere(Self.shortfall(of: demand, among: views))
    }

    private func best(of views: [NodeView], for demand: Resources, tie: UInt64) -> NodeView? {
        switch self {
        case .localFirst(let local): Self.hybrid(views, for: demand, preferring: local)
        case .hybrid(let preferred): Self.hybrid(views, for: demand, preferring: preferred)
        case .spread: Self.emptiest(views, tie: tie)
        }
    }

    private static func hybrid(_ views: [NodeView], for demand: Resources, preferring preferred: NodeID?) -> NodeView? {
        views.min { rank($0, for: demand, preferring: preferred) < rank($1, for: demand, preferring: preferred) }
    }

    /// Smaller is better: no GPUs that the demand leaves unused, then fullness after placing (0 up to the threshold), then the preferred node, then the
    /// identifier.
    private static func rank(_ view: NodeView, for demand: Resources, preferring preferred: NodeID?) -> (Int, Double, Int, NodeID) {
        var after = view
        after.available -= demand
        let fullness = after.utilization
        return (view.total.wastesGPUs(on: demand) ? 1 : 0, fullness <= packingThreshold ? 0 : fullness, view.id == preferred ? 0 : 1, view.id)
    }

    private static func emptiest(_ views: [NodeView], tie: UInt64) -> NodeView? {
        guard let least = views.map(\.utilization).min() else { return nil }
        let equals = views.filter { $0.utilization == least }.sorted { $0.id < $1.id }
        return equals[Int(tie % UInt64(equals.count))]
    }

    /// Why no node can ever hold the demand, as a sentence.
    package static func shortfall(of demand: Resources, among views: [NodeView]) -> String {
        let alive = views.filter { $0.state != .dead }
        if alive.isEmpty { return "no node is alive" }
        for (name, amount) in demand.amounts.sorted(by: { $0.key < $1.key }) where amount.units > 0 {
            guard let largest = alive.map({ $0.total[name] }).max(), largest < amount else { continue }
            return largest.units == 0
                ? "it needs \(name) \(amount) and no node has any \(name); start a node with that resource or ask for less"
                : "it needs \(name) \(amount) and the largest node has \(largest); start a larger node or ask for less"
        }
        return "no single node has all of \(demand); start a node that has, or ask for less"
    }
}
