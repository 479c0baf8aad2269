// RetryCondition: on which errors of user code a task or call runs again. Decided by names, so that no user code runs where it is decided.

/// The errors that are worth another try. A lost worker or node always is, as long as retries are left; this is about what the code throws.
///
/// `.anyError`, or the types: `retryOn: [NetworkError.self, DecodingError.self]`. Every try counts against the same number of retries as crashes do.
public struct RetryCondition: Sendable, Hashable, ExpressibleByArrayLiteral, CustomStringConvertible {
    private var isAny = false
    private var typeNames: Set<String> = []
    private var codes: Set<MantaError.Code> = []

    /// Errors of these types.
    public init(arrayLiteral types: any Error.Type...) { self = .errors(types) }

    /// No error: only the loss of a worker or node is worth another try. This is the default.
    public static let never = RetryCondition()

    /// Every error.
    public static let anyError: RetryCondition = {
        var condition = RetryCondition()
        condition.isAny = true
        return condition
    }()

    /// Errors of these types.
    public static func errors(_ types: [any Error.Type]) -> RetryCondition {
        var condition = RetryCondition()
        condition.typeNames = Set(types.map { plainName(String(reflecting: $0)) })
        return condition
    }

    /// Failures of the platform inside the task, such as an object that was lost, by their codes.
    public static func codes(_ codes: MantaError.Code...) -> RetryCondition {
        var condition = RetryCondition()
        condition.codes = Set(codes)
        return condition
    }

    /// Either.
    public func or(_ other: RetryCondition) -> RetryCondition {
        var result = self
        result.isAny = isAny || other.isAny
        result.typeNames.formUnion(other.typeNames)
        result.codes.formUnion(other.codes)
        return result
    }

    private init() {}

    /// Whether an error of a type with this full name is one.
    package func includes(typeName: String) -> Bool { isAny || typeNames.contains(Self.plainName(typeName)) }

    /// Whether a failure of the platform is one; a cancelled task, or one whose time is over, never runs again.
    package func includes(_ error: MantaError) -> Bool {
        guard error.code != .cancelled, error.code != .timeout else { return false }
        return isAny || codes.contains(error.code) || typeNames.contains(Self.plainName(String(reflecting: MantaError.self)))
    }

    /// The name of a private type carries an address, which differs between processes.
    private static func plainName(_ name: String) -> String {
        var result = ""
        var depth = 0
        for character in name {
            if character == "(" { depth += 1 }
            if depth == 0 { result.append(character) }
            if character == ")" { depth -= 1 }
        }
        return result
    }

    public var description: String {
        if isAny { return "any error" }
        let all = typeNames.sorted() + codes.map(\.rawValue).sorted()
        return all.isEmpty ? "no error" : all.joined(separator: ", ")
    }
}
