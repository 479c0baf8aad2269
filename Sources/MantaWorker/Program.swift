// Program: what a worker of this executable can run: its remote functions and actor types, by their stable names.
//
// The public API fills a `ProgramRegistry` from the records that the macros left in the executable; the worker only reads it. A registry never
// changes after it is made, names are unique in it, and an entry holds everything needed to run: nothing here knows a user's types.

package import MantaModel
package import MantaWire

/// One argument as it reaches the worker: its encoded value, or nothing when the caller left it to the parameter's default.
package enum ArgumentValue: Sendable, Hashable {
    case value(ValueBytes)
    /// Only a call by name may leave out an argument, and only one with a default.
    case absent
}

/// A value that is ready to travel, with the references inside it, which stay alive as long as this does.
package struct EncodedValue: Sendable {
    /// MessagePack, whose large arrays are not copied yet.
    package var parts: EncodedParts
    /// The references that lie inside the value; the receiver borrows them.
    package var references: [ObjectHandle]

    package init(parts: EncodedParts, references: [ObjectHandle] = []) { (self.parts, self.references) = (parts, references) }
    package init(bytes: [UInt8], references: [ObjectHandle] = []) { self.init(parts: EncodedParts(bytes), references: references) }

    /// In one piece.
    package var bytes: [UInt8] { parts.array }
    /// Whether it goes to the object store instead of into messages.
    var isLarge: Bool { parts.count > Limits.inlineValueBytes }
}

/// One parameter of a function, method or initializer.
package struct ParameterEntry: Sendable, Hashable {
    /// The argument label; nil for `_`.
    package var label: String?
    package var name: String
    /// The type as it is written in the source.
    package var type: String
    package var hasDefault: Bool

    package init(label: String?, name: String, type: String, hasDefault: Bool) {
        (self.label, self.name, self.type, self.hasDefault) = (label, name, type, hasDefault)
    }
}

/// The shape of something that can be called: its full name, parameters, and how many objects it returns (one for each part of a tuple).
package final class SignatureEntry: Sendable {
    /// `increment(by:)`, `init(start:)`, or `Module.Type.function(label:)` for a function.
    package let name: String
    package let parameters: [ParameterEntry]
    package let resultCount: Int
    /// The concurrency group that a method's calls run in, unless the caller says otherwise.
    package let concurrencyGroup: String?
    /// It delivers its results one after the other; its one result is the end.
    package let isStream: Bool

    package init(name: String, parameters: [ParameterEntry], resultCount: Int, concurrencyGroup: String? = nil, isStream: Bool = false) {
        self.isStream = isStream
        (self.name, self.parameters, self.resultCount, self.concurrencyGroup) = (name, parameters, resultCount, concurrencyGroup)
    }

    /// `name` without its labels.
    package var baseName: String { String(name.prefix { $0 != "(" }) }
}

/// Arguments of a call that a person or another language makes, each value encoded by itself.
package enum ArgumentsByName: Sendable, Hashable {
    case positional([[UInt8]])
    /// By label, or by the parameter's own name when it has none.
    case labelled([String: [UInt8]])
}

extension SignatureEntry {
    /// The arguments in the parameters' order, with defaults marked absent; throws `invalidArgument` that names what is missing or unknown.
    package func arranged(_ arguments: ArgumentsByName) throws(MantaError) -> [ArgumentValue] {
        switch arguments {
        case .positional(let values):
            guard values.count <= parameters.count else {
                throw MantaError(.invalidArgument, "\(name) takes \(parameters.count) arguments, \(values.count) were given")
            }
            if let missing = parameters[values.count...].first(where: { !$0.hasDefault }) {
                throw MantaError(.invalidArgument, "\(name) needs the argument \"\(missing.label ?? missing.name)\" of type \(missing.type)")
            }
            return values.map { .value(.array($0)) } + Array(repeating: .absent, count: parameters.count - values.count)
        case .labelled(var values):
            var result: [ArgumentValue] = []
            for parameter in parameters {
                if let value = values.removeValue(forKey: parameter.label ?? parameter.name) {
                    result.append(.value(.array(value)))
                } else if parameter.hasDefault {
                    result.append(.absent)
                } else {
                    throw MantaError(.invalidArgument, "\(name) needs the argument \"\(parameter.label ?? parameter.name)\" of type \(parameter.type)")
                }
            }
            if let unknown = values.keys.min() {
                let known = parameters.map { "\"\($0.label ?? $0.name)\"" }.joined(separator: ", ")
                throw MantaError(.invalidArgument, "\(name) has no argument \"\(unknown)\"; it has \(known.isEmpty ? "none" : known)")
            }
            return result
        }
    }
}

/// A remote function.
package struct FunctionEntry: Sendable {
    package let signature: SignatureEntry
    /// Decodes the arguments, runs the user's function, encodes each part of its result; throws what the function throws, or `wrongType`.
    package let invoke: @Sendable ([ArgumentValue]) async throws -> [EncodedValue]

    package init(signature: SignatureEntry, invoke: @escaping @Sendable ([ArgumentValue]) async throws -> [EncodedValue]) {
        (self.signature, self.invoke) = (signature, invoke)
    }
}

/// A living actor in this worker.
package protocol ActorInstance: Sendable {
    /// Runs one method by its index; may be called again before it returns unless the type's `runsOneByOne` says otherwise.
    func dispatch(method: UInt32, arguments: [ArgumentValue]) async throws -> [EncodedValue]
    /// What its methods are isolated to; nil for a class.
    var isolation: (any Actor)? { get }
    /// Whether it can write down its state and take it up again.
    var isRestorable: Bool { get }
    /// The state as it is, encoded.
    func snapshot() async throws -> [UInt8]
    /// Takes up a state.
    func restore(from bytes: [UInt8]) async throws
    /// The actor is being terminated and has no more calls: its code may say goodbye.
    func willTerminate() async
}

/// An actor type.
package struct ActorEntry: Sendable {
    /// `Module.Type`.
    package let name: String
    package let initializers: [SignatureEntry]
    /// A method's index in here is its number in messages.
    package let methods: [SignatureEntry]
    /// A plain class: calls must never overlap, whatever `maxConcurrency` asks.
    package let runsOneByOne: Bool
    package let create: @Sendable (_ initializer: UInt32, _ arguments: [ArgumentValue]) async throws -> any ActorInstance
    /// Looks up what the type conforms to, as its first instance would: see Rehearsal.
    package let rehearse: @Sendable () -> Void

    package init(
        name: String, initializers: [SignatureEntry], methods: [SignatureEntry], runsOneByOne: Bool, rehearse: @escaping @Sendable () -> Void = {},
        create: @escaping @Sendable (_ initializer: UInt32, _ arguments: [ArgumentValue]) async throws -> any ActorInstance
    ) {
        (self.name, self.initializers, self.methods) = (name, initializers, methods)
        (self.runsOneByOne, self.rehearse, self.create) = (runsOneByOne, rehearse, create)
    }

    /// The method with a full name, `increment(by:)`, or a base name that only one method has.
    package func method(named wanted: String) throws(MantaError) -> (index: UInt32, signature: SignatureEntry) {
        let exact = methods.indices.filter { methods[$0].name == wanted }
        let matches = exact.isEmpty ? methods.indices.filter { methods[$0].baseName == wanted } : exact
        switch matches.count {
        case 1: return (UInt32(matches[0]), methods[matches[0]])
        case 0:
            let known = methods.map(\.name).sorted().joined(separator: ", ")
            throw MantaError(.unknownFunction, "\(name) has no method \"\(wanted)\"; it has \(known.isEmpty ? "none" : known)")
        default:
            let candidates = matches.map { methods[$0].name }.joined(separator: ", ")
            throw MantaError(.invalidArgument, "\"\(wanted)\" is ambiguous in \(name); say one of \(candidates)")
        }
    }
}

/// Everything a worker of this executable can run.
package struct ProgramRegistry: Sendable {
    package let functions: [String: FunctionEntry]
    package let actors: [String: ActorEntry]

    /// Throws `alreadyExists` when two functions or two actor types have one name.
    package init(functions: [FunctionEntry], actors: [ActorEntry]) throws(MantaError) {
        var functionsByName: [String: FunctionEntry] = [:]
        for function in functions where functionsByName.updateValue(function, forKey: function.signature.name) != nil {
            throw MantaError(.alreadyExists, "two remote functions are named \(function.signature.name); rename one")
        }
        var actorsByName: [String: ActorEntry] = [:]
        for actor in actors where actorsByName.updateValue(actor, forKey: actor.name) != nil {
            throw MantaError(.alreadyExists, "two remote actors are named \(actor.name); rename one")
        }
        (self.functions, self.actors) = (functionsByName, actorsByName)
    }

    package func function(named name: String) -> FunctionEntry? { functions[name] }
    package func actorType(named name: String) -> ActorEntry? { actors[name] }
}
