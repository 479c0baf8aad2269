// Rehearsal: what every worker does when it begins and runs its first call, as far as that needs neither threads, sockets nor tasks: for the process that
// workers are forked from. See MantaTransport's Rehearsal.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension Runtime {
    /// Rehearses a worker of the program. The process must not have begun any thread.
    package static func rehearse(_ program: ProgramRegistry) {
        let loop = EventLoop(name: "rehearsal")
        let (node, process, endpoint) = (NodeID(high: 0, low: 1), ProcessID(high: 0, low: 2), "ipc:///rehearsal")
        let configuration = Configuration(
            role: .worker, head: endpoint, node: endpoint, nodeID: node, runtimeDirectory: "/", program: Program(path: "/"), namespace: "", process: process)
        let runtime = Runtime(configuration: configuration, program: program, loop: loop)
        let hello = Hello(cluster: nil, role: .worker, process: process, pid: 1, endpoint: endpoint, host: Machine.name)
        Transport.rehearse(on: loop, hello, delegate: runtime.owner) { link in
            link.request(RegisterWorker(address: runtime.address, pid: 1)) { _ in }
            runtime.owner.rehearse(on: link)
        }
        for actor in program.actors.values { actor.rehearse() }
        loop.execute {}
    }
}

extension Owner {
    fileprivate func rehearse(on link: Link) {
        let (actor, job) = (ActorID(high: 0, low: 3), JobID(high: 0, low: 4))
        let specification = ActorSpecification(
            id: actor, job: job, program: Program(path: "/", environment: ["": ""]), type: "", initializer: 0, arguments: [[0xc0]], name: nil, namespace: "",
            lifetime: .job, resources: .oneCPU, placementResources: .oneCPU, maxRestarts: 0, maxConcurrency: 1, owner: runtime.address)
        let call = CallActor(
            task: actor.constructor, actor: actor, job: job, parent: nil, sequence: 0, method: 0, methodName: "", resultCount: 1, arguments: [.value([0xc0])])
        let done = TaskDone(task: call.task, attempt: 1, outcome: .values([.inline([0xc0])]), startedAt: .now, duration: 0)
        _ = Self.travelled(StartActors([.init(specification: specification, restarts: 0)]))
        if let call = Self.travelled(call) { execution.actors.rehearse(specification, call, ReplyRoute(link: link)) }
        link.send(ActorsStarted([.init(actor: actor, error: nil)]))
        link.send(done)
        if let node = NodeID("\(NodeID(high: 0, low: 1))") {
            nodeLinks[node] = link
            tasks = TaskBook(owner: address, home: NodeAddress(node: node, endpoint: address.endpoint), endsWithHome: true)
        }
        _ = ProcessID("\(address.process)")
        _ = TaskContext.current
        // Made by the runtime when they are first named: what tasks and task-local values are begun with.
        let types = Set([ObjectIdentifier(TaskPriority?.self), ObjectIdentifier(TaskContext?.self)])
        precondition(types.count == 2, "types are told from each other")
        _ = runtime.node
        runtime.serves(job)
        runtime.post(.finished(FinishedRun(done: done, route: ReplyRoute(link: link), failure: nil)), quietly: true)
        beginTicking()
    }

    /// The message as it arrives.
    private static func travelled<Message: WireMessage>(_ message: Message) -> Message? {
        var writer = MessagePackWriter()
        guard (try? message.encode(into: &writer)) != nil else { return nil }
        var reader = MessagePackReader(writer.bytes)
        return try? Message(from: &reader)
    }
}
