// Instant: a moment on the machine's monotonic clock. Decisions take it as an argument and never read a clock.
// WallTime: a moment people read, in dashboards and logs; never used for time-outs, since wall clocks jump.

/// Nanoseconds on the monotonic clock of one machine; comparable only with instants of the same machine. What would lie beyond the last one is the last one:
/// people say "without end" with the longest duration there is.
public struct Instant: Hashable, Comparable, Sendable, Codable {
    public var nanoseconds: Int64
    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static let zero = Instant(nanoseconds: 0)
    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }
    public static func + (left: Instant, right: Duration) -> Instant {
        let (sum, overflow) = left.nanoseconds.addingReportingOverflow(right.inNanoseconds)
        return Instant(nanoseconds: overflow ? (right < .zero ? .min : .max) : sum)
    }
    public static func - (left: Instant, right: Duration) -> Instant {
        let (difference, overflow) = left.nanoseconds.subtractingReportingOverflow(right.inNanoseconds)
        return Instant(nanoseconds: overflow ? (right < .zero ? .max : .min) : difference)
    }
    public static func - (left: Instant, right: Instant) -> Duration { .nanoseconds(left.nanoseconds - right.nanoseconds) }
}

/// Milliseconds since 1970-01-01 UTC.
public struct WallTime: Hashable, Comparable, Sendable, Codable {
    public var milliseconds: Int64
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }
    public static func < (left: WallTime, right: WallTime) -> Bool { left.milliseconds < right.milliseconds }

    public init(from decoder: any Decoder) throws { milliseconds = try decoder.singleValueContainer().decode(Int64.self) }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(milliseconds)
    }
}

extension Duration {
    /// Whole nanoseconds, saturating at the largest `Int64` (292 years).
    public var inNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, isBeyond) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, isJustBeyond) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return isBeyond || isJustBeyond ? (seconds < 0 ? .min : .max) : sum
    }
    /// Whole milliseconds, rounded down.
    public var inMilliseconds: Int64 { inNanoseconds / 1_000_000 }
    public var inSeconds: Double { Double(inNanoseconds) / 1e9 }
}
