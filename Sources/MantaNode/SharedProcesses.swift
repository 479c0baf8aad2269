// SharedProcesses: worker processes that host many actors each: started when one is wanted, asked to leave when none is left.
//
// The book decides who goes where. A shared process ends with a crash of any of its actors, and takes all with it; an actor that is ended alone is taken out
// of it, and the process lives on.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension Node {
    /// Puts an actor whose resources are there into a process that runs already; false when none takes it.
    func putIntoRunningProcess(_ id: ActorID, _ specification: ActorSpecification) -> Bool {
        guard let process = shared.place(id, SharedProcessBook.Kind(specification)) else { return false }
        start(id, in: process)
        return true
    }

    /// Starts a process for an actor and others like it, unless there is one by now.
    func share(_ id: ActorID, _ specification: ActorSpecification, from executable: String) throws(MantaError) {
        if putIntoRunningProcess(id, specification) { return }
        let kind = SharedProcessBook.Kind(specification)
        let worker = try processes.start(
            specification.program, from: executable, for: .sharedActors, title: "shared actors", environment: VisibleGPUs.environment(of: nil, on: configuration.total))
        outputs.follow(worker)
        shared.started(worker.id, for: kind)
        guard let process = shared.place(id, kind) else { preconditionFailure("a new process takes an actor") }
        start(id, in: process)
    }

    private func start(_ id: ActorID, in process: ProcessID) {
        actors[id]?.phase = .starting(process)
        guard shared.address(of: process) != nil, links[process] != nil else { return }
        construct(id, in: process)
    }

    /// The process listens.
    func constructAll(in address: ProcessAddress) {
        for id in shared.ready(address) { construct(id, in: address.process) }
    }

    /// Takes an actor out of its process, together with others of this turn; it is gone when the process says so, or has ended.
    func takeOut(_ id: ActorID, because cause: DeathCause) {
        guard let process = shared.process(of: id) else { return }
        guard shared.address(of: process) != nil, links[process] != nil else { return gone(id, cause) }
        if takenOut.isEmpty { loop.later { [self] in sendTakenOut() } }
        takenOut[process, default: []].append((id, cause))
    }

    private func sendTakenOut() {
        // Those that were to be constructed in the same turn come first.
        sendStarts()
        let takenOut = takenOut
        self.takenOut = [:]
        for (process, actors) in takenOut {
            links[process]?.request(EndHostedActors(actors.map(\.actor)), deadline: .seconds(3600)) { [self] result in
                // A failure is the process's end, which tells more.
                guard case .success = result else { return }
                for (id, cause) in actors where shared.process(of: id) == process { gone(id, cause) }
            }
        }
    }

    func stopIdleSharedProcesses() {
        for process in shared.idle(at: loop.now) { links[process]?.send(StopWorker()) }
    }
}
