// MessageSamples: every type of message, and of those whose fields have places the shortest and the longest that is written.

import MantaModel

@testable import MantaWire

enum MessageSamples {
    /// One type for each kind.
    static let types: [any WireMessage.Type] = [
        // Links
        Hello.self, Welcome.self, Refused.self, HelloRequired.self, Acknowledged.self, Failed.self, OfferRing.self, RingAnswer.self, RingBegins.self,
        // Cluster
        RegisterNode.self, NodeRegistered.self, Heartbeat.self, ClusterView.self, JobEnded.self, ProcessEnded.self, OwnerDied.self, NodeLost.self,
        RegisterJob.self, JobRegistered.self, FinishJob.self, DriverDied.self, FetchProgram.self, ProgramPart.self,
        // Tasks
        RequestLease.self, LeaseAnswer.self, ReturnLease.self, ReclaimLease.self, LeaseLost.self, LeaseBlocked.self, ResumeLease.self, LeaseResumed.self,
        CancelLease.self, ConfirmLease.self, RegisterWorker.self, StopWorker.self, WorkerStays.self, EndWorker.self, RunTask.self, TaskDone.self,
        TasksReturned.self, CancelTask.self, CallActor.self, TakeBackTasks.self, InquireTasks.self, TasksUnknown.self, CancelObject.self, StreamItem.self,
        StreamConsumed.self,
        // Actors
        CreateActor.self, GetActor.self, ActorFound.self, WatchActor.self, KillActor.self, CreateActors.self, ActorsTaken.self, PlaceActors.self,
        StartActors.self, ActorsStarted.self, ActorReports.self, ActorsChanged.self, DropActors.self, EndActors.self, EndHostedActors.self,
        StoreSnapshot.self, GetSnapshot.self, SnapshotFound.self,
        // Objects
        GetObject.self, ObjectValue.self, ListObjects.self, ObjectList.self, DescribeCopies.self, CopiesDescribed.self, LocateObjects.self, ObjectsLocated.self, FreeValues.self, OpenStore.self, StoreOpened.self, JoinStore.self, LeaseMemory.self,
        MemoryLeased.self, ReturnMemory.self, ObjectsStored.self, FreeObjects.self, OpenObject.self, ObjectOpened.self, PullObject.self, ObjectPart.self,
        CopyChanged.self, OwnsElsewhere.self, BorrowObjects.self, ReleaseObjects.self, AwaitBorrows.self,
        // Placement groups
        CreateGroup.self, GroupFound.self, AwaitGroup.self, FindGroup.self, RemoveGroup.self, PrepareBundles.self, CommitBundles.self, AbandonBundles.self,
        GroupRemoved.self, DropBundles.self, InquireGroups.self, DemandInfeasible.self, InquireWait.self, WaitFound.self,
        // Tables
        TablePut.self, TableDelete.self, TableGet.self, TableRow.self, WatchTable.self, TableSnapshot.self, TableChanged.self, TableDeleted.self,
        SubmitProgram.self, SubmissionFound.self, StopSubmission.self, DeleteSubmission.self, ReadSubmissionLog.self, SubmissionLog.self,
        StartEntrypoint.self, StopEntrypoint.self, EntrypointReport.self,
        // What operators see
        ReportTasks.self, ReportErrors.self, QueryState.self, StateAnswer.self, QuerySpans.self, SpansFound.self, WorkerOutput.self, Explain.self, Explanation.self, ExplainTask.self,
        ExplainLease.self,
    ]

    /// The structures of the keyed form, or of both forms, that the documentation describes.
    static let structures: [any (Decodable & Sendable).Type] = [
        NodeAddress.self, Program.self, Scheduling.self, GroupMembership.self, DeathCause.self, DeathCause.Facts.self, MantaError.Details.self, ObjectAddress.self, NodeSummary.self,
        RunningActor.self, JobDescription.self, HeldBundlesReport.self, StoreUsage.self, ArgumentLocation.self, ActorSpecification.self, ActorTerms.self, ArgumentReference.self,
        ActorStatus.self, ActorSnapshot.self, ObjectsStored.Object.self, PlacementGroupSpecification.self, WaitingTask.self, TableEntry.self,
        SubmissionSpecification.self, SubmissionRow.self, TaskRow.self, TaskAttempt.self, WorkSpan.self, DemandRow.self, ErrorRow.self, NodeRow.self, JobRow.self, ActorRow.self,
        PlacementGroupRow.self, ObjectRow.self, ObjectTotals.self, RowFilter.self,
    ]

    /// The kinds whose form is an array of any number of things.
    static let lists: Set<MessageKind> = [
        .createActors, .actorsTaken, .placeActors, .startActors, .actorsStarted, .actorsChanged, .dropActors, .endActors, .endHostedActors,
    ]

    /// Of the kinds that are not keyed: with nothing that may be missing, and with everything.
    static let written: [(shortest: any WireMessage, longest: any WireMessage)] = [
        (hello(nil), hello(ClusterID(high: 0, low: 1))), (Welcome(hello: hello(nil)), Welcome(hello: hello(nil))),
        (Refused(error: error), Refused(error: error)), (HelloRequired(), HelloRequired()), (Acknowledged(), Acknowledged()),
        (Failed(error: error), Failed(error: error)), (OfferRing(segment: 1, capacity: 2, token: 3, bell: bell), OfferRing(segment: 1, capacity: 2, token: 3, bell: bell)),
        (RingAnswer(bell: nil), RingAnswer(bell: bell)), (RingBegins(), RingBegins()),
        (
            runTask,
            RunTask(
                task: task, lease: lease, job: job, parent: task, function: "f", attempt: 1, resultCount: 2,
                arguments: [.value([5]), .reference(object, owner: address, place: place)], timeLeft: 1, group: group, resources: Resources(["CPU": 1]), gpus: ["0"], name: "n")
        ),
        (RegisterWorker(address: address, pid: 17), RegisterWorker(address: address, pid: 17)),
        (
            TaskDone(task: task, attempt: 1, outcome: .failed(error), startedAt: WallTime(milliseconds: 1), duration: 2),
            TaskDone(
                task: task, attempt: 1, outcome: .values([.inline([5]), .stored(place)]), startedAt: WallTime(milliseconds: 1), duration: 2,
                contents: [[reference, reference], []])
        ),
        (TasksReturned(lease: lease, tasks: []), TasksReturned(lease: lease, tasks: [task])),
        (CancelTask(task: task), CancelTask(task: task, actor: actor)),
        (call(), call(attempt: 2)), (call(), call(timeLeft: 1)), (call(), call(group: "io")),
        (
            StreamItem(task: task, attempt: 1, index: 0, window: 1, value: .inline([5])),
            StreamItem(task: task, attempt: 1, index: 0, window: 1, value: .stored(place), contents: [reference], sharesWindow: true)
        ),
        (StreamConsumed(task: task, count: 0), StreamConsumed(task: task, count: 1)),
        (CreateActor(specification: plain, getIfExists: false), CreateActor(specification: full, getIfExists: true)),
        (ActorFound(status: status(nil)), ActorFound(status: status(address))),
        (KillActor(actor: actor, noRestart: true), KillActor(actor: actor, noRestart: true, reason: "why")),
        (CreateActors([]), CreateActors([plain, full])), (ActorsTaken(), ActorsTaken(refusals: [.init(actor: actor, error: error)])),
        (PlaceActors([]), PlaceActors([.init(specification: full, restarts: 1)])),
        (StartActors([]), StartActors([.init(specification: full, restarts: 1, gpus: ["0"])])),
        (ActorsStarted([]), ActorsStarted([.init(actor: actor, error: "no")])),
        (ActorReports(node: node, reports: []), report), (ActorsChanged([]), ActorsChanged([status(nil), status(address)])),
        (DropActors([]), DropActors([actor])), (EndActors([]), EndActors([.init(actor: actor, restarts: 1, isFinal: true, cause: cause)])),
        (EndHostedActors([]), EndHostedActors([actor])),
        (GetObject(object: object), GetObject(object: object, lostAt: node)),
        (ObjectValue(object: object, outcome: .thrown([1])), ObjectValue(object: object, outcome: .values([.stored(place)]))),
        (part([], hasChecksum: false), part([1], hasChecksum: true)),
        (BorrowObjects(number: 1, objects: []), borrow), (ReleaseObjects(number: 1, objects: []), ReleaseObjects(number: 1, objects: [object])),
        (CreateGroup(specification: bundles(nil)), CreateGroup(specification: bundles("g"), isRepeated: true)),
        (
            GroupFound(specification: bundles(nil), state: .pending, nodes: [], reason: nil),
            GroupFound(specification: bundles("g"), state: .created, nodes: [nil, node], reason: "why")
        ),
        (AwaitGroup(group: group.group), AwaitGroup(group: group.group)), (RemoveGroup(group: group.group), RemoveGroup(group: group.group)),
        (GroupRemoved(group: group.group), GroupRemoved(group: group.group)),
        (PrepareBundles(specification: bundles(nil), indices: [], attempt: 1), PrepareBundles(specification: bundles("g"), indices: [0], attempt: 1)),
        (CommitBundles(group: group.group, indices: [], attempt: 1), commit),
        (ReportTasks(tasks: [], dropped: 0), report(["running": 1])),
    ]

    // MARK: Parts

    static let (task, lease, job, actor) = (TaskID(high: 0, low: 1), LeaseID(high: 0, low: 2), JobID(high: 0, low: 3), ActorID(high: 0, low: 1))
    static let (node, process, object) = (NodeID(high: 0, low: 2), ProcessID(high: 0, low: 3), ObjectID(task: TaskID(high: 0, low: 1), index: 0))
    static let address = ProcessAddress(process: process, endpoint: "ipc:///w")
    static let reference = ObjectAddress(object: object, owner: address)
    static let place = StoredPlace(node: NodeAddress(node: node, endpoint: "ipc:///n"), slot: 1, generation: 2, size: 3)
    static let error = MantaError(.conflict, "it is so", cause: nil)
    static let cause = DeathCause(.exited, "it ended", facts: .init(pid: 1, uptimeMilliseconds: 2))
    static let bell = BellAddress(page: 1, pipe: 2, line: 3)
    static let group = GroupMembership(group: PlacementGroupID(high: 0, low: 1), bundles: [Resources(["CPU": 1])], bundle: 0, captures: true)

    static func hello(_ cluster: ClusterID?) -> Hello { Hello(cluster: cluster, role: .worker, process: process, pid: 17, endpoint: "ipc:///w", host: "h") }
    static let runTask = RunTask(
        task: task, lease: lease, job: job, parent: nil, function: "M.f(_:)", attempt: 1, resultCount: 1, arguments: [.value([5])])
    static func call(attempt: UInt32 = 1, timeLeft: Int64? = nil, group: String? = nil) -> CallActor {
        CallActor(
            task: task, actor: actor, job: job, parent: nil, sequence: 0, method: 0, methodName: "", resultCount: 1, arguments: [], attempt: attempt, timeLeft: timeLeft,
            group: group)
    }
    static func status(_ address: ProcessAddress?) -> ActorStatus {
        ActorStatus(id: actor, type: "M.T", state: .alive, address: address, node: node, restarts: 0, death: address == nil ? nil : cause)
    }
    static let report = ActorReports(node: node, reports: [.init(actor: actor, restarts: 0, event: .alive(address: address, pid: 17))])
    static func part(_ bytes: [UInt8], hasChecksum: Bool) -> ObjectPart {
        var part = bytes.withUnsafeBytes { ObjectPart(size: 1, of: $0) }
        if !hasChecksum { part.checksum = nil }
        return part
    }
    static let borrow = BorrowObjects(number: 5, objects: [object, ObjectID(task: task, index: 1)])
    static let commit = CommitBundles(group: group.group, indices: [0, 2], attempt: 4)
    static func bundles(_ name: String?) -> PlacementGroupSpecification {
        PlacementGroupSpecification(
            id: group.group, bundles: group.bundles, strategy: .pack, name: name, namespace: "n", lifetime: .job, job: job, owner: address, isOwnedByActor: false)
    }
    static let plain = ActorSpecification(
        id: actor, job: job, program: Program(path: "/p"), type: "M.T", initializer: 0, arguments: [], name: nil, namespace: "n", lifetime: .job,
        resources: Resources(), placementResources: Resources(), maxRestarts: 0, maxConcurrency: 1, owner: address)
    static let full = ActorSpecification(
        id: actor, job: job, program: Program(path: "/p", environment: ["A": "1"], hash: "0"), type: "M.T", initializer: 0, arguments: [[1]], name: "a",
        namespace: "n", lifetime: .detached, resources: Resources(["CPU": 1]), placementResources: Resources(), maxRestarts: 1, maxConcurrency: 1, owner: address,
        maxTaskRetries: 1, concurrencyGroups: ["io": 1], scheduling: Scheduling(rule: .node(node, soft: true), group: group), isolation: .shared,
        snapshots: .every(.seconds(1)), references: [ArgumentReference(index: 0, object: reference)], maxPendingCalls: 1, ordersCalls: false,
        maxPendingItems: 1, createdAt: WallTime(milliseconds: 1))
    static func report(_ unfinished: [String: Int]?) -> ReportTasks {
        var report = ReportTasks(tasks: [row], dropped: 1, unfinished: unfinished)
        report.spans = [WorkSpan(kind: .user, name: "n", task: task, job: job, process: process, node: node, startedAt: 1, duration: 2)]
        report.droppedSpans = 1
        return report
    }
    static let row: TaskRow = {
        var row = TaskRow(id: task, job: job, function: "f", state: .failed, attempt: 1, submittedAt: WallTime(milliseconds: 1), error: "e")
        row.name = "n"
        (row.placement, row.pid, row.placementGroup) = (.home, 7, PlacementGroupID(high: 0, low: 1))
        row.attempts = [TaskAttempt(attempt: 1, state: .failed, worker: nil, error: nil)]
        return row
    }()
}
