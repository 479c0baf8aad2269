// Records: what the macros left in this executable and its libraries, found when it is first needed.
//
// A record is a constant in the section `manta_records`: kind, version, a function that stores a metatype, and a spare word. Nothing runs at start and
// nothing must be listed; a record's type tells the rest. Reading is done once per process.

import CSystem
package import MantaModel
package import MantaWorker

/// The form of a record in the section `manta_records`.
public typealias _Record = (kind: UInt32, version: UInt32, store: @convention(c) (UnsafeMutableRawPointer) -> Bool, spare: UInt)

/// The version of the form; records of another one are refused.
let recordVersion: UInt32 = 1

private enum RecordKind: UInt32 {
    case function = 1
    case actor = 2
    case `extension` = 3
    case type = 4
}

/// For the macros: stores a remote function's or closure's type where the reader of the record wants it.
public func _register(_ slot: UnsafeMutableRawPointer, function: any _RemoteCode.Type) -> Bool {
    slot.assumingMemoryBound(to: (any _RemoteCode.Type)?.self).pointee = function
    return true
}

/// For the macros: stores a remote actor's type.
public func _register(_ slot: UnsafeMutableRawPointer, actor: any RemoteActor.Type) -> Bool {
    slot.assumingMemoryBound(to: (any RemoteActor.Type)?.self).pointee = actor
    return true
}

/// Code of another module that runs inside every process of a role, such as the admin API in the head.
package protocol ProcessExtension: SendableMetatype {
    /// The role it belongs to: head, node, proxy or worker.
    static var role: String { get }
    /// Called once on a thread of its own choosing when the process is ready; must not block.
    /// - Parameter endpoint: where the process itself, or for a head the head, can be reached.
    static func start(endpoint: String) throws
}

/// Stores an extension's type; for its record.
package func _register(_ slot: UnsafeMutableRawPointer, extension type: any ProcessExtension.Type) -> Bool {
    slot.assumingMemoryBound(to: (any ProcessExtension.Type)?.self).pointee = type
    return true
}

/// For macros of modules above: stores a type that processes find by its name.
public func _register(_ slot: UnsafeMutableRawPointer, type: any Sendable.Type) -> Bool {
    slot.assumingMemoryBound(to: (any Sendable.Type)?.self).pointee = type
    return true
}

/// All records of this process.
package enum Records {
    /// What this executable can run, or why its records cannot be used.
    package static let program: Result<ProgramRegistry, MantaError> = Result { () throws(MantaError) in
        let found = try all.get()
        return try ProgramRegistry(functions: found.functions, actors: found.actors)
    }

    /// The extensions of a role, in the order they were linked.
    package static func extensions(of role: String) throws(MantaError) -> [any ProcessExtension.Type] {
        try all.get().extensions.filter { $0.role == role }
    }

    /// The types that are registered to be found by their names, of whatever kind.
    package static func types() throws(MantaError) -> [any Sendable.Type] { try all.get().types }

    private struct Found: Sendable {
        var functions: [FunctionEntry] = []
        var actors: [ActorEntry] = []
        var extensions: [any ProcessExtension.Type] = []
        var types: [any Sendable.Type] = []
        var complaint: MantaError?
    }

    private static let all: Result<Found, MantaError> = {
        var found = Found()
        let unreadable = withUnsafeMutablePointer(to: &found) { found in
            manta_each_section(
                "manta_records",
                { start, size, context in
                    guard let start, let found = context?.assumingMemoryBound(to: Found.self) else { return }
                    let count = size / MemoryLayout<_Record>.stride
                    for record in UnsafeBufferPointer(start: start.assumingMemoryBound(to: _Record.self), count: count) { add(record, to: &found.pointee) }
                }, found)
        }
        if let complaint = found.complaint { return .failure(complaint) }
        if unreadable > 0, found.functions.isEmpty, found.actors.isEmpty {
            return .failure(MantaError(.system, "the program's file cannot be read to find its remote functions; make it readable for this user"))
        }
        return .success(found)
    }()

    private static func add(_ record: _Record, to found: inout Found) {
        guard record.version == recordVersion, let kind = RecordKind(rawValue: record.kind) else {
            found.complaint = MantaError(
                .versionMismatch,
                "the program has a record of kind \(record.kind), version \(record.version); expected version \(recordVersion): build all of it with one Manta")
            return
        }
        switch kind {
        case .function:
            var type: (any _RemoteCode.Type)?
            if withUnsafeMutablePointer(to: &type, { record.store($0) }), let type { found.functions.append(type._entry) }
        case .actor:
            var type: (any RemoteActor.Type)?
            if withUnsafeMutablePointer(to: &type, { record.store($0) }), let type { found.actors.append(type._entry) }
        case .extension:
            var type: (any ProcessExtension.Type)?
            if withUnsafeMutablePointer(to: &type, { record.store($0) }), let type { found.extensions.append(type) }
        case .type:
            var type: (any Sendable.Type)?
            if withUnsafeMutablePointer(to: &type, { record.store($0) }), let type { found.types.append(type) }
        }
    }
}
