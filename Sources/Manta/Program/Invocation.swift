// Invocation: both ends of a call as the macros' code sees them: arguments and signature going out, arguments coming in, results going back.
//
// These types are public only because expansions in other modules use them; their names begin with an underscore. Encoding happens in the caller, at
// once, so later changes of an argument do not reach the call.

import MantaLoop
package import MantaModel
import MantaWire
package import MantaWorker

/// The shape of a function, method or initializer, as its macro saw it.
public struct _Signature: Sendable {
    package let entry: SignatureEntry
    /// How calls of a method run, unless the caller says otherwise.
    let options: CallOptions

    /// One tuple for each parameter: label or nil, name, type as written, whether it has a default.
    public init(
        _ name: String, _ parameters: [(label: String?, name: String, type: String, hasDefault: Bool)], results: Int,
        isStream: Bool = false, options: CallOptions = CallOptions()
    ) {
        self.options = options
        entry = SignatureEntry(
            name: name, parameters: parameters.map { ParameterEntry(label: $0.label, name: $0.name, type: $0.type, hasDefault: $0.hasDefault) },
            resultCount: results, concurrencyGroup: options.concurrencyGroup, isStream: isStream)
    }
}

/// Collects the arguments of a call.
public struct _Arguments: ~Copyable {
    package var sources: [ArgumentSource] = []
    init(count: Int) { sources.reserveCapacity(count) }

    public mutating func value<Value: Encodable>(_ value: Value) throws { sources.append(.value(try .encoding(value))) }
    public mutating func reference<Value>(_ reference: ObjectReference<Value>) { sources.append(.reference(reference.handle)) }
    public mutating func argument(_ argument: some RemoteArgument) throws { try argument._add(to: &self) }
}

/// The objects a call returns.
public struct _Results {
    package let handles: [ObjectHandle]

    /// The result at an index, as the type the macro wrote.
    public func reference<Value>(_ index: Int, as type: Value.Type = Value.self) -> ObjectReference<Value> { ObjectReference(handles[index]) }

    /// Every result is this failure.
    static func failed(_ what: String, _ error: any Error, count: Int) -> _Results {
        _Results(handles: (0..<count).map { _ in .failed(what, error) })
    }
}

/// The arguments of a call where it runs.
public struct _Invocation: Sendable {
    package let signature: SignatureEntry
    package let arguments: [ArgumentValue]

    package init(_ signature: SignatureEntry, _ arguments: [ArgumentValue]) throws(MantaError) {
        guard arguments.count == signature.parameters.count else {
            throw MantaError(
                .wrongType, "\(signature.name) takes \(signature.parameters.count) arguments, \(arguments.count) came; caller and worker run different programs")
        }
        (self.signature, self.arguments) = (signature, arguments)
    }

    /// Whether the caller left this argument to its default.
    public func isAbsent(_ index: Int) -> Bool { arguments[index] == .absent }

    /// The decoded argument; throws `wrongType` that names the parameter.
    public func argument<Value: Decodable>(_ index: Int, as type: Value.Type = Value.self) throws -> Value {
        guard case .value(let bytes) = arguments[index] else {
            throw MantaError(.invalidArgument, "\(signature.name) needs the argument \"\(signature.parameters[index].name)\"")
        }
        // What is shorter is decoded before anybody could see it.
        let start = bytes.count > Limits.seenBytes ? EventLoop.clock() : nil
        defer { if let start { CurrentRuntime.get()?.noteIfLong(.arguments, since: start) } }
        do throws(MantaError) {
            return try ValueDecoder.decode(type, from: bytes)
        } catch {
            throw MantaError(error.code, "argument \"\(signature.parameters[index].name)\" of \(signature.name): \(error.message)")
        }
    }
}

/// What a call returns, encoded.
public struct _Reply: Sendable {
    package let values: [EncodedValue]

    /// One value for each part of the result.
    public init<each Value: Encodable>(_ parts: repeat each Value) throws {
        var values: [EncodedValue] = []
        for part in repeat each parts { values.append(try .encoding(part)) }
        self.values = values
    }

    private init(values: [EncodedValue]) { self.values = values }

    /// The result of what returns nothing: a nil, so that there is an object to wait for.
    public static var void: _Reply { _Reply(values: [EncodedValue(bytes: [0xc0])]) }
}

extension Limits {
    /// Arguments of more bytes are decoded by the clock: from here on that may take as long as a span is seen.
    fileprivate static let seenBytes = 1 << 10
}
