// Arguments: what tasks, calls and constructors of this process are given, from submission to the end.
//
// Own objects among the arguments, and inside their values, are pinned: the reference counter holds their handles instead of the submission, so that it is
// known whether the program itself still has one. A small value travels inside the message; its object is let go as soon as the value is on its way,
// unless that contains references. Objects of others are held by the submission's handles.

import MantaCore
import MantaModel
import MantaWire

extension Owner {
    /// Pins the own objects in and inside the arguments, which then name them only; returns them, once for each time.
    func pin(_ arguments: inout [ArgumentSource], by task: TaskID) -> [ObjectID] {
        var pins: [ObjectID] = []
        if arguments.isEmpty { return pins }
        for index in arguments.indices {
            switch arguments[index] {
            case .own: break
            case .reference(let handle):
                guard isOwn(handle) else { continue }
                pin(handle, by: task, &pins)
                arguments[index] = .own(handle.id)
            case .value(let value):
                guard !value.references.isEmpty else { continue }
                for handle in value.references where isOwn(handle) { pin(handle, by: task, &pins) }
                arguments[index] = .value(EncodedValue(bytes: value.bytes, references: value.references.filter { !isOwn($0) }))
            }
        }
        return pins
    }

    private func pin(_ handle: ObjectHandle, by task: TaskID, _ pins: inout [ObjectID]) {
        references.pin(handle.id, handle, by: task)
        pins.append(handle.id)
    }

    /// A handle that this process made with its object, not from an encoded reference.
    func isOwn(_ handle: ObjectHandle) -> Bool { handle.isOwn(of: runtime) }

    /// The task has ended, or lets go of some of its arguments.
    func unpin(_ pins: [ObjectID], by task: TaskID) {
        for id in pins { references.unpin(id, by: task) }
    }

    /// The same task needs them once more, as to run again.
    func pinAgain(_ pins: [ObjectID], by task: TaskID) -> [ObjectID] {
        pins.filter { id in
            guard let handle = kept(id) else { return false }
            references.pin(id, handle, by: task)
            return true
        }
    }

    /// Unpins what a submission pinned.
    func release(_ submission: Submission) {
        guard !submission.pins.isEmpty else { return }
        unpin(submission.pins, by: submission.task)
        submission.pins = []
    }

    /// The handle behind an argument that is a reference.
    func handle(of argument: ArgumentSource) -> ObjectHandle? {
        switch argument {
        case .value: nil
        case .reference(let handle): handle
        case .own(let id): kept(id)
        }
    }

    /// Which arguments are not there yet; calls `settled` back (on any thread) once for each of them.
    func missingArguments(_ arguments: [ArgumentSource], settled: @autoclosure () -> @Sendable () -> Void) -> Int {
        var missing = 0
        for argument in arguments {
            guard let handle = handle(of: argument), !handle.isSettled else { continue }
            missing += 1
            let settled = settled()
            handle.onReady { _ in settled() }
        }
        return missing
    }

    /// Where those of the arguments lie that are in stores: most often none is.
    func locations(of arguments: [ArgumentSource]) -> [ArgumentLocation] {
        var locations: [ArgumentLocation] = []
        for argument in arguments {
            guard let handle = handle(of: argument), case .stored(let place)? = handle.outcome else { continue }
            locations.append(ArgumentLocation(object: handle.id, owner: handle.owner, size: place.size, sources: sources(of: handle.id, place)))
        }
        return locations
    }

    /// The shape that its arguments, which are ready, give a task.
    func shape(_ shape: TaskShape, of submission: Submission) -> TaskShape {
        let locations = locations(of: submission.arguments)
        guard !locations.isEmpty, let home else { return shape }
        return shape.taking(locations, home: home)
    }

    /// The first argument that failed.
    func failure(of arguments: [ArgumentSource]) -> (any Error)? {
        for argument in arguments {
            if let error = handle(of: argument)?.passedOnFailure { return error }
        }
        return nil
    }

    /// The arguments as they travel; those are ready, but for what was lost since then.
    func payloads(of submission: Submission) -> [ArgumentPayload] {
        submission.arguments.indices.map { index in
            if case .value(let value) = submission.arguments[index] { return .value(value.bytes) }
            guard let handle = handle(of: submission.arguments[index]) else { preconditionFailure("an argument is held until its task ends") }
            switch handle.outcome {
            case .ready(let bytes) where bytes.count <= Limits.inlineValueBytes:
                inlined(index, of: submission, bytes.array)
                return .value(bytes.array)
            case .ready: return .reference(handle.id, owner: handle.owner, place: nil)
            case .stored(let place): return .reference(handle.id, owner: handle.owner, place: place)
            // It is being made again: the worker asks for it, and gives its CPU back while it waits.
            case nil: return .reference(handle.id, owner: handle.owner, place: nil)
            case .failed: preconditionFailure("a task whose argument failed is not sent")
            }
        }
    }

    /// The value of an argument goes with the message, now and in every other attempt.
    private func inlined(_ index: Int, of submission: Submission, _ bytes: [UInt8]) {
        guard case .own(let id) = submission.arguments[index], references.contents(of: id).isEmpty else { return }
        submission.arguments[index] = .value(EncodedValue(bytes: bytes))
        if let pin = submission.pins.firstIndex(of: id) { submission.pins.remove(at: pin) }
        references.unpin(id, by: submission.task)
    }

    /// A constructor's arguments, which are ready: the values of those that travel, and the references of those that lie in stores and were not `opened`.
    func travelling(_ arguments: [ArgumentSource], opened: [ObjectID: ValueBytes]) -> (values: [[UInt8]], references: [ArgumentReference]) {
        var references: [ArgumentReference] = []
        let values = arguments.enumerated().map { index, argument -> [UInt8] in
            if case .value(let value) = argument { return value.bytes }
            guard let handle = handle(of: argument) else { preconditionFailure("a constructor's arguments are held while it may run") }
            if case .ready(let bytes) = handle.outcome { return bytes.array }
            if let bytes = opened[handle.id] { return bytes.array }
            references.append(ArgumentReference(index: index, object: handle.address))
            return []
        }
        return (values, references)
    }
}
