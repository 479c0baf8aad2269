// WireMessage: what every message is: a numbered kind and a MessagePack body.
//
// One record on the wire is a length, a header array [kind, flags, correlation, deadline], and the body; a ZeroMQ message carries the records that one
// turn of a loop made for a peer. Kinds are never reused. Hot messages write their fields by hand; the others are `CodedMessage`s, whose body is
// their `Codable` form.

package import MantaModel

/// The protocol's version: peers must have the same one.
package let protocolVersion: UInt32 = 1

/// Every kind of message. A number is never given twice, also not after its message is gone.
package enum MessageKind: UInt16, Sendable, CaseIterable {
    // Handshake
    case hello = 1, welcome = 2, refused = 3, helloRequired = 4
    // Answers
    case acknowledged = 8, failed = 9
    // Node and head
    case registerNode = 10, nodeRegistered, heartbeat, clusterView, jobEnded, processEnded, ownerDied, nodeLost
    // Jobs
    case registerJob = 20, jobRegistered, finishJob, driverDied
    // Leases
    case requestLease = 30, leaseAnswer, returnLease, reclaimLease, leaseLost, leaseBlocked, resumeLease, leaseResumed, cancelLease, confirmLease
    // Workers
    case registerWorker = 40, stopWorker = 43, workerStays = 45, endWorker = 47
    // Tasks and calls
    case runTask = 50, taskDone, tasksReturned, cancelTask, callActor, takeBackTasks, inquireTasks, tasksUnknown, cancelObject
    // Streams of results
    case streamItem = 140, streamConsumed
    // Objects
    case getObject = 60, objectValue, listObjects, objectList, describeCopies, copiesDescribed, locateObjects, objectsLocated, freeValues
    // The stores of nodes
    case openStore = 180, storeOpened, joinStore, leaseMemory, memoryLeased, returnMemory, objectsStored, freeObjects, openObject, objectOpened, pullObject,
        objectPart, copyChanged, ownsElsewhere
    // References of objects
    case borrowObjects = 200, releaseObjects, awaitBorrows
    // Actors
    case createActor = 70, getActor, actorFound, watchActor, killActor = 75
    // Actors, many in one message; 41, 42, 44, 46, 74, 76 and 77 were about one each
    case createActors = 230, actorsTaken, placeActors, startActors, actorsStarted, actorReports, actorsChanged, dropActors, endActors, endHostedActors
    // Tables
    case tablePut = 80, tableDelete, tableGet, tableRow, watchTable, tableSnapshot, tableChanged, tableDeleted
    // What operators see
    case reportTasks = 90, reportErrors, queryState, stateAnswer, querySpans, spansFound
    // Output of workers
    case workerOutput = 100
    // Links that move to shared memory
    case offerRing = 110, ringAnswer, ringBegins
    // Submitted programs
    case submitProgram = 130, submissionFound, stopSubmission, deleteSubmission, readSubmissionLog, submissionLog, startEntrypoint, stopEntrypoint, entrypointReport
    // Programs that a node lacks
    case fetchProgram = 220, programPart
    // The state of actors
    case storeSnapshot = 210, getSnapshot, snapshotFound
    // Explaining
    case explain = 170, explanation, explainTask, explainLease
    // Placement groups
    case createGroup = 150, groupFound, awaitGroup, findGroup, removeGroup, prepareBundles, commitBundles, abandonBundles, groupRemoved, dropBundles
    // What may never be served
    case inquireGroups = 160, demandInfeasible, inquireWait, waitFound

    /// Between the transports of two processes, not for what runs on them.
    package var isOfLink: Bool {
        switch self {
        case .hello, .welcome, .refused, .helloRequired, .offerRing, .ringAnswer, .ringBegins: true
        default: false
        }
    }
}

/// A message: a kind and a body that can be written and read.
package protocol WireMessage: Sendable {
    static var kind: MessageKind { get }
    func encode(into writer: inout MessagePackWriter) throws(MantaError)
    init(from reader: inout MessagePackReader) throws(MantaError)
}

/// A message that is answered, by `Reply` or by `Failed`.
package protocol WireRequest: WireMessage {
    associatedtype Reply: WireMessage
}

/// A message off the hot path: its body is its `Codable` form.
package protocol CodedMessage: WireMessage, Codable {}

extension CodedMessage {
    package func encode(into writer: inout MessagePackWriter) throws(MantaError) { try ValueEncoder.encode(self, into: &writer) }
    package init(from reader: inout MessagePackReader) throws(MantaError) { self = try ValueDecoder.decode(Self.self, from: &reader) }
}

extension MessagePackWriter {
    package mutating func write(_ identifier: some Identifier) {
        writeBinaryHeader(16)
        withUnsafeBytes(of: (identifier.high.bigEndian, identifier.low.bigEndian)) { bytes.append(contentsOf: $0) }
    }
    package mutating func write(_ object: ObjectID) {
        write(object.task)
        write(object.index)
    }
    package mutating func write(_ address: ProcessAddress) {
        write(address.process)
        write(address.endpoint)
    }
}

extension MessagePackReader {
    package mutating func readIdentifier<ID: Identifier>(_ type: ID.Type = ID.self) throws(MantaError) -> ID {
        let range = try readBinaryRange()
        guard range.count == 16 else { throw unexpected("an identifier of 16 bytes") }
        return bytes.withUnsafeBytes {
            ID(
                high: UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: range.lowerBound, as: UInt64.self)),
                low: UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: range.lowerBound + 8, as: UInt64.self)))
        }
    }
    package mutating func readObjectID() throws(MantaError) -> ObjectID {
        ObjectID(task: try readIdentifier(), index: try readUInt32())
    }
    package mutating func readProcessAddress() throws(MantaError) -> ProcessAddress {
        ProcessAddress(process: try readIdentifier(), endpoint: try readString())
    }
}
