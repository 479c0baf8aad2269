// Resources: what a task or actor needs and what a node has: CPU, GPU, memory and any custom name, in fractions of 1/10,000.
//
// Amounts are whole numbers of ten-thousandths, so sums never drift; zero amounts are not stored, so equal sets compare equal.

/// An amount of one resource, exact to 1/10,000.
public struct ResourceAmount: Hashable, Comparable, Sendable, Codable, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, CustomStringConvertible {
    /// Ten-thousandths of a unit.
    public var units: Int64

    public init(units: Int64) { self.units = units }
    /// The nearest amount at or below `value`; the caller has checked that it is finite and in range.
    public init(_ value: Double) { units = Int64((value * 10_000 + 1e-6).rounded(.down)) }
    public init(integerLiteral value: Int64) { units = value * 10_000 }
    public init(floatLiteral value: Double) { self.init(value) }

    public var value: Double { Double(units) / 10_000 }
    public var description: String { units % 10_000 == 0 ? "\(units / 10_000)" : "\(value)" }
    public static func < (left: Self, right: Self) -> Bool { left.units < right.units }

    public init(from decoder: any Decoder) throws { self.init(try decoder.singleValueContainer().decode(Double.self)) }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }
}

/// A set of resource amounts by name: a demand or a capacity.
public struct Resources: Hashable, Sendable, Codable, CustomStringConvertible {
    public static let cpu = "CPU"
    public static let gpu = "GPU"
    public static let memory = "memory"

    /// What a task holds that says nothing.
    package static let oneCPU = Resources([cpu: 1])

    /// The amounts that are not zero.
    public private(set) var amounts: [String: ResourceAmount]

    public init(_ amounts: [String: ResourceAmount] = [:]) { self.amounts = amounts.filter { $0.value.units != 0 } }

    public subscript(_ name: String) -> ResourceAmount {
        get { amounts[name] ?? 0 }
        set { amounts[name] = newValue.units == 0 ? nil : newValue }
    }

    public var isEmpty: Bool { amounts.isEmpty }

    /// Whether `self` has at least what `demand` asks of every resource.
    public func covers(_ demand: Resources) -> Bool {
        demand.amounts.allSatisfy { $0.value.units <= 0 || self[$0.key] >= $0.value }
    }

    /// Whether a node that has these has GPUs, of which work with this demand would use none.
    package func wastesGPUs(on demand: Resources) -> Bool { self[Self.gpu].units > 0 && demand.asAsked[Self.gpu].units == 0 }

    public static func += (left: inout Resources, right: Resources) {
        for (name, amount) in right.amounts { left[name] = ResourceAmount(units: left[name].units + amount.units) }
    }
    public static func -= (left: inout Resources, right: Resources) {
        for (name, amount) in right.amounts { left[name] = ResourceAmount(units: left[name].units - amount.units) }
    }

    /// The first amount that is no legal demand, as a sentence; nil when all are.
    public var complaint: String? {
        for (name, amount) in amounts.sorted(by: { $0.key < $1.key }) {
            if let complaint = Self.complaint(aboutName: name) { return complaint }
            if amount.units < 0 { return "resource \"\(name)\" is \(amount); expected 0 or more" }
            if name == Self.gpu, amount.units > 10_000, amount.units % 10_000 != 0 {
                return "resource \"GPU\" is \(amount); above 1 it must be a whole number"
            }
        }
        return nil
    }

    /// What is wrong with a name, as a sentence; nil when it is fine. It travels through command lines and environments, where `,` and `=` separate names.
    private static func complaint(aboutName name: String) -> String? {
        if name.isEmpty { return "a resource has an empty name; give it one" }
        if name.utf8.count > 128 { return "a resource has a name of \(name.utf8.count) bytes; expected at most 128" }
        guard name.unicodeScalars.contains(where: { $0 == "," || $0 == "=" || $0.properties.generalCategory == .control }) else { return nil }
        return "the resource \"\(name)\" has a comma, an equals sign or a control character in its name; choose another name"
    }

    /// What is wrong with the name of a custom resource; nil when it is fine.
    package static func complaint(aboutCustomName name: String) -> String? {
        if [cpu, gpu, memory].contains(name) { return "\"\(name)\" is no custom resource; use the parameter cpus, gpus or memory for it" }
        if BundleResource.isReserved(name) {
            return "the resource \"\(name.prefix(64))\" begins with \(BundleResource.prefix), which names bundles of placement groups; choose another name"
        }
        return complaint(aboutName: name)
    }

    public var description: String {
        amounts.isEmpty ? "none" : amounts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    }

    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode([String: ResourceAmount].self))
    }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(amounts)
    }
}
