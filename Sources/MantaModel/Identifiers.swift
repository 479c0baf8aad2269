// Identifiers: the typed names of everything in a cluster.
//
// An identifier is 128 random bits, written as 32 lower-case hexadecimal digits, the same in code, messages, JSON and logs. Two of them are built
// from others: a task's high half is its owner process's random prefix and its low half a counter, so making one costs an addition; an object is
// its task and the index of the result.

/// A 128-bit identifier. Conformers differ only in what they name.
public protocol Identifier: Hashable, Sendable, Codable, Comparable, CustomStringConvertible, LosslessStringConvertible {
    var high: UInt64 { get }
    var low: UInt64 { get }
    init(high: UInt64, low: UInt64)
}

extension Identifier {
    /// A new random identifier from the given generator.
    public init(using generator: inout some RandomNumberGenerator) {
        self.init(high: generator.next(), low: generator.next())
    }

    /// A new random identifier from the system's generator.
    public static func random() -> Self {
        var generator = SystemRandomNumberGenerator()
        return Self(using: &generator)
    }

    /// The 32 hexadecimal digits.
    public var description: String { hexadecimal(high) + hexadecimal(low) }

    /// The first eight digits, for people's eyes only.
    public var short: String { String(hexadecimal(high).prefix(8)) }

    /// Reads 32 hexadecimal digits; nil when the text is anything else.
    public init?(_ text: String) {
        guard text.utf8.count == 32, text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
            let high = UInt64(text.prefix(16), radix: 16), let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }

    public static func < (left: Self, right: Self) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(mixed(high, low)) }

    /// What dictionaries and sets ask. Identifiers are random already and are not chosen by strangers, and each call of an actor looks up several: three
    /// multiplications take the place of the standard library's keyed hash.
    public func _rawHashValue(seed: Int) -> Int { Int(truncatingIfNeeded: mixed(high ^ UInt64(truncatingIfNeeded: seed), low)) }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Self(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "expected 32 hexadecimal digits, found \"\(text.prefix(64))\"")
        }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// The last steps of MurmurHash3 (by Austin Appleby, in the public domain), after both halves were brought together.
@inline(__always) private func mixed(_ high: UInt64, _ low: UInt64) -> UInt64 {
    var bits = high &* 0x9E37_79B9_7F4A_7C15 ^ low
    bits = (bits ^ bits >> 33) &* 0xFF51_AFD7_ED55_8CCD
    bits = (bits ^ bits >> 33) &* 0xC4CE_B9FE_1A85_EC53
    return bits ^ bits >> 33
}

private func hexadecimal(_ value: UInt64) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.utf8.count) + digits
}

/// Names a cluster: made once, when its head first starts.
public struct ClusterID: Identifier {
    public let high, low: UInt64
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// Names a node for as long as its process lives.
public struct NodeID: Identifier {
    public let high, low: UInt64
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// Names one incarnation of any process: head, node, proxy, worker or driver. A restarted process has a new one.
public struct ProcessID: Identifier {
    public let high, low: UInt64
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// Names a job: one run of a driver.
public struct JobID: Identifier {
    public let high, low: UInt64
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// Names an actor through all its restarts.
public struct ActorID: Identifier {
    public let high, low: UInt64
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// Names a task or an actor call; the high half is its owner process's prefix.
public struct TaskID: Identifier {
    public let high, low: UInt64
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    /// Tasks of one process differ in their ends only, so both ends are shown: `497905…1a3`. For people's eyes only.
    public var short: String { low >> 32 == 0 ? "\(hexadecimal(high).prefix(6))…\(String(low, radix: 16))" : String(hexadecimal(high).prefix(8)) }
}

/// Names a lease: the right of an owner to use a worker and its resources.
public struct LeaseID: Identifier {
    public let high, low: UInt64
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }
}

/// Names an object: a result of a task (index from 0) or, with a task identifier of its own, a value that was put.
public struct ObjectID: Hashable, Sendable, Codable, Comparable, CustomStringConvertible, LosslessStringConvertible {
    /// The task that makes the object.
    public let task: TaskID
    /// Which of the task's results it is, from 0.
    public let index: UInt32

    public init(task: TaskID, index: UInt32) { (self.task, self.index) = (task, index) }

    /// 32 hexadecimal digits of the task, a dash, the index.
    public var description: String { "\(task)-\(index)" }

    public init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let task = TaskID(String(parts[0])), let index = UInt32(parts[1]) else { return nil }
        self.init(task: task, index: index)
    }

    public static func < (left: Self, right: Self) -> Bool { (left.task, left.index) < (right.task, right.index) }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(task)
        hasher.combine(index)
    }

    /// As that of `Identifier`.
    public func _rawHashValue(seed: Int) -> Int { task._rawHashValue(seed: seed ^ Int(index)) }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Self(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "expected an object identifier, found \"\(text.prefix(64))\"")
        }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
