// Replicas: how the book's actions are carried out: each replica has one task that starts, watches, reconfigures, drains or ends it.
//
// A replica's row is written before its actor is made, under a name that is the replica's tag, so a successor finds whatever was begun. That a replica
// has died is seen by a call to it that never returns: it fails as soon as the replica's process is gone, whether the head is there or not.

import Manta
import MantaCore
import MantaModel

extension ServeController {
    func carryOut(_ actions: [ReplicaBook.Action]) {
        for action in actions {
            switch action {
            case .start(let replica, let backend): start(replica, backend)
            case .watch(let replica): watch(replica)
            case .publish(let replica): writer.put(replica)
            case .reconfigure(let replica, let configuration): reconfigure(replica, configuration)
            case .drain(let replica, let seconds): drain(replica, seconds)
            case .end(let replica): end(replica)
            case .status(let backend, let status): for change in tables.setStatus(status, of: backend) { writer.write(change) }
            }
        }
        notify()
        scheduleWake()
    }

    private func start(_ replica: ReplicaDescription, _ backend: BackendDescription) {
        writer.put(replica)
        Task {
            await writer.settled()
            // It may not be wanted any more.
            guard book.replicas.contains(where: { $0.tag == replica.tag && $0.state == .starting }) else { return }
            let handle = Replica.options(
                name: replica.tag, namespace: serveNamespace, lifetime: .detached, cpus: backend.resources[Resources.cpu].value,
                gpus: backend.resources[Resources.gpu].value, memory: Int(backend.resources[Resources.memory].value), resources: backend.customResources,
                maxRestarts: 0, maxConcurrency: ServeRules.requests, getIfExists: true, program: backend.program
            ).remote(backend, tag: replica.tag, index: replica.index)
            handles[replica.tag] = handle
            let observation = Task { await observe(replica) }
            do {
                let introduction = try await handle.introduce().value
                observation.cancel()
                stalls[replica.backend] = nil
                carryOut(
                    book.ready(
                        replica.tag, actor: introduction.actor, address: introduction.address, pid: introduction.pid, node: introduction.node,
                        method: introduction.method, configuration: introduction.configuration, at: .now, wall: .now, using: &generator))
                try await handle.live().value
                died(replica.tag, "its process ended")
            } catch {
                observation.cancel()
                died(replica.tag, Self.text(of: error))
            }
        }
    }

    /// Looks, now and then, whether a replica that is not there yet has no place to be.
    private func observe(_ replica: ReplicaDescription) async {
        while true {
            try? await Task.sleep(for: .seconds(1))
            guard !Task.isCancelled, book.replicas.contains(where: { $0.tag == replica.tag && $0.state == .starting }) else { return }
            guard let reason = try? await Manta.waitingReason(ofActorNamed: replica.tag, namespace: serveNamespace), !Task.isCancelled else { continue }
            stalls[replica.backend] = (stalls[replica.backend]?.since ?? .now, reason)
            carryOut(book.waits(replica.tag, reason: reason, at: .now, wall: .now, using: &generator))
        }
    }

    private func watch(_ replica: ReplicaDescription) {
        guard let handle = handle(of: replica) else { return died(replica.tag, "its actor is not known") }
        Task {
            do {
                try await handle.live().value
                died(replica.tag, "its process ended")
            } catch {
                died(replica.tag, Self.text(of: error))
            }
        }
    }

    private func died(_ tag: String, _ reason: String) {
        carryOut(book.failed(tag, reason: reason, at: .now, wall: .now, using: &generator))
    }

    private func reconfigure(_ replica: ReplicaDescription, _ configuration: ConfigurationValue) {
        guard let handle = handle(of: replica) else { return died(replica.tag, "its actor is not known") }
        Task {
            do {
                try await handle.reconfigure(configuration).value
            } catch {
                died(replica.tag, "it refused its configuration: \(Self.text(of: error))")
            }
        }
    }

    private func drain(_ replica: ReplicaDescription, _ seconds: Double) {
        Task {
            // Proxies are told by the head as soon as the row is written.
            await writer.settled()
            if let handle = handle(of: replica) { try? await handle.drain(seconds: seconds).value }
            carryOut(book.drained(replica.tag, at: .now, wall: .now, using: &generator))
        }
    }

    private func end(_ replica: ReplicaDescription) {
        let known = handle(of: replica)
        handles[replica.tag] = nil
        Task {
            // Its creation may be under way: whatever has its name is ended.
            var handle = known
            if handle == nil { handle = try? await Replica.named(replica.tag, namespace: serveNamespace) }
            if let handle { try? await Manta.kill(handle) }
            writer.delete(replica: replica.tag)
        }
    }

    private func handle(of replica: ReplicaDescription) -> Replica.Handle? {
        if let handle = handles[replica.tag] { return handle }
        guard let actor = replica.actor else { return nil }
        let handle = Replica.Handle(_actor: _ActorReference(actor))
        handles[replica.tag] = handle
        return handle
    }

    private func scheduleWake() {
        wake?.cancel()
        guard let due = book.nextWake else { return wake = nil }
        wake = Task {
            try? await Task.sleep(for: .nanoseconds(max(0, due.nanoseconds - Instant.now.nanoseconds)))
            if Task.isCancelled { return }
            carryOut(book.tick(at: .now, wall: .now, using: &generator))
        }
    }

    /// What happened, without the platform's own words around it.
    private static func text(of error: any Error) -> String {
        switch error {
        case let error as MantaError: error.message
        case let error as TaskError: "\(error.typeName): \(error.message)"
        default: "\(error)"
        }
    }
}

extension BackendDescription {
    /// Resources that are neither CPU, GPU nor memory.
    fileprivate var customResources: [String: Double] {
        resources.amounts.filter { ![Resources.cpu, Resources.gpu, Resources.memory].contains($0.key) }.mapValues(\.value)
    }
}
