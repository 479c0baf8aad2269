// Scheduling: where a task or actor may run, as its user says it: anywhere, spread out, on one node, on nodes with labels, in a placement group.
//
// A rule decides between nodes only; how much a node has is decided by resources. Labels are set when a node starts and never change.

/// Where a task or actor runs: an argument of `options(...)`.
public struct Scheduling: Hashable, Sendable, Codable {
    package var rule: PlacementRule
    package var group: GroupMembership?

    package init(rule: PlacementRule, group: GroupMembership? = nil) { (self.rule, self.group) = (rule, group) }

    /// Where there is room: this process's node first, then others; never in a placement group that is captured.
    public static let standard = Scheduling(rule: .standard)
    /// Evenly over all nodes, as far as they have room.
    public static let spread = Scheduling(rule: .spread)
    /// On this node. When it is gone or too small the submission fails with `unschedulable`; `soft`: it runs elsewhere instead. A busy node is waited for.
    public static func node(_ node: NodeID, soft: Bool = false) -> Scheduling { Scheduling(rule: .node(node, soft: soft)) }
    /// On nodes whose labels meet every condition, those that meet the preferred ones first. Waits until there is such a node.
    public static func labels(_ required: [String: LabelCondition], preferring preferred: [String: LabelCondition] = [:]) -> Scheduling {
        Scheduling(rule: .labels(required: required, preferred: preferred))
    }
}

/// The labels that every node has, and what others may be called.
public enum NodeLabel {
    /// Of every node: its identifier.
    public static let node = "manta/node"
    /// Of every node: the name of its machine.
    public static let host = "manta/host"

    /// Those that a node was given, and those that every node has.
    package static func all(_ given: [String: String], of node: NodeID, on host: String) -> [String: String] {
        given.merging([Self.node: "\(node)", Self.host: host]) { _, own in own }
    }

    private static let reserved = "manta/"

    /// What is wrong with a label that somebody gives a node, as a sentence; nil when it is fine. Labels travel as `key=value,key=value`.
    package static func complaint(about key: String, _ value: String) -> String? {
        if key.hasPrefix(reserved) { return "the label \"\(key.prefix(64))\" begins with \(reserved), which names labels of the platform; choose another name" }
        if let complaint = complaint(aboutKey: key) { return complaint }
        if value.utf8.count > Limits.nameBytes { return "the label \"\(key)\" has a value of \(value.utf8.count) bytes; expected at most \(Limits.nameBytes)" }
        return isPlain(value) ? nil : "the label \"\(key)\" has a comma or a control character in its value; choose another value"
    }

    fileprivate static func complaint(aboutKey key: String) -> String? {
        if key.isEmpty { return "a label has an empty name; give it one, for example zone" }
        if key.utf8.count > Limits.nameBytes { return "a label has a name of \(key.utf8.count) bytes; expected at most \(Limits.nameBytes)" }
        return isPlain(key) && !key.contains("=") ? nil : "the label \"\(key)\" has a comma, an equals sign or a control character in its name; choose another name"
    }

    private static func isPlain(_ text: String) -> Bool { !text.unicodeScalars.contains { $0 == "," || $0.properties.generalCategory == .control } }
}

extension Scheduling {
    /// What is wrong with it, as a sentence; nil when it is fine. Whether a group has room for a demand is asked elsewhere.
    package var complaint: String? {
        guard case .labels(let required, let preferred) = rule else { return nil }
        if required.isEmpty, preferred.isEmpty { return "scheduling: .labels has no conditions; name a label, or leave it out" }
        for (key, condition) in (required.sorted { $0.key < $1.key } + preferred.sorted { $0.key < $1.key }) {
            if let complaint = NodeLabel.complaint(aboutKey: key) { return complaint }
            switch condition {
            case .in([]): return "the label \"\(key)\" must be in no values at all, which no node can be; name some, or use .missing"
            case .notIn([]): return "the label \"\(key)\" must not be in no values at all, which says nothing; name some, or leave it out"
            default: break
            }
        }
        return nil
    }
}

/// What a node's label must be.
public enum LabelCondition: Hashable, Sendable, Codable, ExpressibleByStringLiteral {
    case `in`([String])
    case notIn([String])
    case exists
    case missing

    /// Exactly this text.
    public init(stringLiteral value: String) { self = .in([value]) }
    public static func `is`(_ value: String) -> LabelCondition { .in([value]) }
    public static func not(_ value: String) -> LabelCondition { .notIn([value]) }

    package func holds(for value: String?) -> Bool {
        switch self {
        case .in(let values): value.map(values.contains) ?? false
        case .notIn(let values): !(value.map(values.contains) ?? false)
        case .exists: value != nil
        case .missing: value == nil
        }
    }
}

/// Which nodes may run something.
package enum PlacementRule: Hashable, Sendable, Codable {
    case standard
    case spread
    case node(NodeID, soft: Bool)
    case labels(required: [String: LabelCondition], preferred: [String: LabelCondition])

    /// Whether a node with this identifier and these labels may run it; a soft rule allows every node.
    package func allows(_ node: NodeID, labels: [String: String]) -> Bool {
        switch self {
        case .standard, .spread, .node(_, soft: true): true
        case .node(let wanted, soft: false): wanted == node
        case .labels(let required, _): required.allSatisfy { $0.value.holds(for: labels[$0.key]) }
        }
    }

    /// Whether the node is one that the rule asks for first.
    package func prefers(_ node: NodeID, labels: [String: String]) -> Bool {
        switch self {
        case .standard, .spread: true
        case .node(let wanted, _): wanted == node
        case .labels(_, let preferred): preferred.allSatisfy { $0.value.holds(for: labels[$0.key]) }
        }
    }
}

extension PlacementRule {
    /// For people.
    package var sentence: String {
        switch self {
        case .standard: "any node"
        case .spread: "spread over all nodes"
        case .node(let node, let soft): soft ? "node \(node.short) if possible" : "node \(node.short) only"
        case .labels(let required, _):
            "nodes with " + required.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.sentence)" }.joined(separator: " and ")
        }
    }
}

extension LabelCondition {
    fileprivate var sentence: String {
        switch self {
        case .in(let values): values.count == 1 ? "= \(values[0])" : "in (\(values.joined(separator: ", ")))"
        case .notIn(let values): "not in (\(values.joined(separator: ", ")))"
        case .exists: "set"
        case .missing: "not set"
        }
    }
}
