// RemoteClosure: what `#remote` makes of a closure.
//
// One pair of initializers for each number of parameters, with and without a result: the compiler (6.3.1) crashes when a closure is converted to a
// function type over a parameter pack.

/// A closure that `#remote` registered. Made by the macro.
public struct _RemoteClosure<Result>: Sendable {
    private let body: @Sendable (_Invocation) async throws -> _Reply

    /// For the macro: runs it where it was sent.
    public nonisolated(nonsending) func invoke(_ call: _Invocation) async throws -> _Reply { try await body(call) }

    /// For the macro: sends it.
    public func submit<Code: _RemoteCode>(_ code: Code.Type, _ arguments: _TypedArgument...) -> ObjectReference<Result> {
        Code._submit(.none) { builder in
            for argument in arguments { try argument.add(&builder) }
        }.reference(0)
    }
}

extension _RemoteClosure where Result: Encodable & SendableMetatype {
    public init(_ body: @escaping @Sendable () async throws -> Result) {
        self.body = { _ in try _Reply(try await body()) }
    }
    public init<A: Decodable & SendableMetatype>(_ body: @escaping @Sendable (A) async throws -> Result) {
        self.body = { try _Reply(try await body($0.argument(0))) }
    }
    public init<A: Decodable & SendableMetatype, B: Decodable & SendableMetatype>(_ body: @escaping @Sendable (A, B) async throws -> Result) {
        self.body = { try _Reply(try await body($0.argument(0), $0.argument(1))) }
    }
    public init<A: Decodable & SendableMetatype, B: Decodable & SendableMetatype, C: Decodable & SendableMetatype>(_ body: @escaping @Sendable (A, B, C) async throws -> Result) {
        self.body = { try _Reply(try await body($0.argument(0), $0.argument(1), $0.argument(2))) }
    }
    public init<A: Decodable & SendableMetatype, B: Decodable & SendableMetatype, C: Decodable & SendableMetatype, D: Decodable & SendableMetatype>(_ body: @escaping @Sendable (A, B, C, D) async throws -> Result) {
        self.body = { try _Reply(try await body($0.argument(0), $0.argument(1), $0.argument(2), $0.argument(3))) }
    }
    public init<A: Decodable & SendableMetatype, B: Decodable & SendableMetatype, C: Decodable & SendableMetatype, D: Decodable & SendableMetatype, E: Decodable & SendableMetatype>(_ body: @escaping @Sendable (A, B, C, D, E) async throws -> Result) {
        self.body = { try _Reply(try await body($0.argument(0), $0.argument(1), $0.argument(2), $0.argument(3), $0.argument(4))) }
    }
    public init<A: Decodable & SendableMetatype, B: Decodable & SendableMetatype, C: Decodable & SendableMetatype, D: Decodable & SendableMetatype, E: Decodable & SendableMetatype, F: Decodable & SendableMetatype>(_ body: @escaping @Sendable (A, B, C, D, E, F) async throws -> Result) {
        self.body = { try _Reply(try await body($0.argument(0), $0.argument(1), $0.argument(2), $0.argument(3), $0.argument(4), $0.argument(5))) }
    }
}

extension _RemoteClosure where Result == Void {
    public init(_ body: @escaping @Sendable () async throws -> Void) {
        self.body = { _ in
            try await body()
            return .void
        }
    }
    public init<A: Decodable & SendableMetatype>(_ body: @escaping @Sendable (A) async throws -> Void) {
        self.body = {
            try await body($0.argument(0))
            return .void
        }
    }
    public init<A: Decodable & SendableMetatype, B: Decodable & SendableMetatype>(_ body: @escaping @Sendable (A, B) async throws -> Void) {
        self.body = {
            try await body($0.argument(0), $0.argument(1))
            return .void
        }
    }
    public init<A: Decodable & SendableMetatype, B: Decodable & SendableMetatype, C: Decodable & SendableMetatype>(_ body: @escaping @Sendable (A, B, C) async throws -> Void) {
        self.body = {
            try await body($0.argument(0), $0.argument(1), $0.argument(2))
            return .void
        }
    }
    public init<A: Decodable & SendableMetatype, B: Decodable & SendableMetatype, C: Decodable & SendableMetatype, D: Decodable & SendableMetatype>(_ body: @escaping @Sendable (A, B, C, D) async throws -> Void) {
        self.body = {
            try await body($0.argument(0), $0.argument(1), $0.argument(2), $0.argument(3))
            return .void
        }
    }
    public init<A: Decodable & SendableMetatype, B: Decodable & SendableMetatype, C: Decodable & SendableMetatype, D: Decodable & SendableMetatype, E: Decodable & SendableMetatype>(_ body: @escaping @Sendable (A, B, C, D, E) async throws -> Void) {
        self.body = {
            try await body($0.argument(0), $0.argument(1), $0.argument(2), $0.argument(3), $0.argument(4))
            return .void
        }
    }
    public init<A: Decodable & SendableMetatype, B: Decodable & SendableMetatype, C: Decodable & SendableMetatype, D: Decodable & SendableMetatype, E: Decodable & SendableMetatype, F: Decodable & SendableMetatype>(_ body: @escaping @Sendable (A, B, C, D, E, F) async throws -> Void) {
        self.body = {
            try await body($0.argument(0), $0.argument(1), $0.argument(2), $0.argument(3), $0.argument(4), $0.argument(5))
            return .void
        }
    }
}

/// A value or a reference whose type the closure's parameter decides.
public struct _TypedArgument {
    let add: (inout _Arguments) throws -> Void
}

public func _argument<Value: Encodable>(_ value: Value, as type: Value.Type) -> _TypedArgument {
    _TypedArgument { try $0.value(value) }
}
public func _argument<Value>(_ reference: ObjectReference<Value>, as type: Value.Type) -> _TypedArgument {
    _TypedArgument { $0.reference(reference) }
}
