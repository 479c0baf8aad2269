// Runtime+Objects: what programs ask about objects as such: where their values lie, and to give them up.

import MantaLoop
import MantaModel
import MantaTransport
package import MantaWire

extension Runtime {
    package func refused(_ what: String, _ error: any Error) -> ObjectHandle? {
        let handle = ObjectHandle(id: ObjectID(task: nextTaskID(), index: 0), owner: address, keeper: self, outcome: .failed(error))
        post(.refused(handle.id, of: what))
        return handle
    }

    package func free(_ handles: [ObjectHandle]) async throws {
        try await each(handles) { owner, handles, done in
            for handle in handles {
                let own = owner.kept(handle.id) ?? handle
                owner.freeValue(of: own)
                // One that was made from an encoded reference has the value too.
                if own !== handle, own.isSettled { _ = handle.free(Owner.freed(handle.id, nil)) }
            }
            done(.success(()))
        } of: { owner, link, handles, done in
            link.request(FreeValues(objects: handles.map(\.id)), deadline: Limits.requestDeadline) { result in
                if case .success = result { for handle in handles { _ = handle.free(Owner.freed(handle.id, nil)) } }
                done(result.map { _ in })
            }
        }
    }

    package func locate(_ handles: [ObjectHandle]) async throws -> [ObjectsLocated.Place] {
        let found = LocatedPlaces()
        try await each(handles) { owner, handles, done in
            owner.locate(handles.map(\.id)) { done(found.add($0, handles)) }
        } of: { owner, link, handles, done in
            link.request(LocateObjects(objects: handles.map(\.id)), deadline: Limits.requestDeadline) { result in
                done(result.flatMap { found.add($0.places, handles) })
            }
        }
        return try await onLoop { _ in handles.map { found.places[$0.id] ?? ObjectsLocated.Place(size: nil, nodes: []) } }
    }

    /// Asks the owners of objects, each once about all of its own, and returns when all have answered; throws the first failure.
    private func each(
        _ handles: [ObjectHandle], own: @escaping @Sendable (Owner, [ObjectHandle], @escaping (Result<Void, MantaError>) -> Void) -> Void,
        of others: @escaping @Sendable (Owner, Link, [ObjectHandle], @escaping (Result<Void, MantaError>) -> Void) -> Void
    ) async throws {
        // Owners answer about so many at once.
        let byOwner = Dictionary(grouping: handles, by: \.owner).flatMap { owner, handles in
            stride(from: 0, to: handles.count, by: Limits.listRows).map { (owner, Array(handles[$0..<min($0 + Limits.listRows, handles.count)])) }
        }
        guard !byOwner.isEmpty else { return }
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            loop.execute { [owner, address] in
                // What this thread asked for before comes first.
                owner.carryOutInbox()
                var (missing, failure): (Int, MantaError?) = (byOwner.count, nil)
                func answered(_ result: Result<Void, MantaError>) {
                    failure = failure ?? result.failure
                    missing -= 1
                    if missing == 0 { continuation.resume(with: failure.map { .failure($0) } ?? .success(())) }
                }
                for (process, handles) in byOwner {
                    if process.process == address.process {
                        own(owner, handles, answered)
                    } else if owner.isGone(process.process) {
                        answered(.failure(Owner.ownerDied(handles[0], nil)))
                    } else {
                        let link = owner.transport.connect(to: process)
                        others(owner, link, handles) { answered($0.mapError { owner.failure(ofReading: handles[0], $0, on: link) }) }
                    }
                }
            }
        }
    }
}

/// Gathers what owners answer. `@unchecked Sendable`: touched on the loop only.
private final class LocatedPlaces: @unchecked Sendable {
    var places: [ObjectID: ObjectsLocated.Place] = [:]

    func add(_ found: [ObjectsLocated.Place?], _ handles: [ObjectHandle]) -> Result<Void, MantaError> {
        for (place, handle) in zip(found, handles) {
            guard let place else { return .failure(MantaError.unknownToItsOwner(handle.id)) }
            places[handle.id] = place
        }
        return .success(())
    }
}
