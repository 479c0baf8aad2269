// Runtime+Joining: how a process enters a cluster: it reaches the head, and a driver registers its job; or it learns that no cluster is there.

import Glibc
import MantaLoop
package import MantaModel
import MantaTransport
import MantaWire

extension Limits {
    /// So long a program tries to reach the head of the cluster that it joins, and waits for a first node.
    fileprivate static let joining: Duration = .seconds(10)
}

extension Runtime {
    /// Binds, connects and registers; throws what went wrong first, naming the address.
    package func start() async throws {
        let configuration = configuration
        let address = address
        try await onLoop { owner in try owner.open(configuration, at: address) }
        guard configuration.role == .driver else { return }
        do { try await registerJob() } catch let error as MantaError where error.code == .timeout || error.code == .unavailable {
            throw await absenceOfCluster(after: Limits.joining) ?? error
        }
    }

    /// Tells the head of this driver, and learns the node to work with.
    private func registerJob() async throws {
        let description = JobDescription(
            id: configuration.job, program: configuration.program, namespace: configuration.namespace, driver: address, pid: getpid(), host: Machine.name,
            startedAt: .now)
        let deadline = ContinuousClock.now + Limits.joining
        var registered = try await head(RegisterJob(job: description), deadline: Limits.joining)
        while registered.node == nil, ContinuousClock.now < deadline {
            // A cluster that has just started may have no node yet.
            try await Task.sleep(for: .milliseconds(10))
            registered = try await head(RegisterJob(job: description), deadline: Limits.joining)
        }
        guard let node = registered.node else {
            throw MantaError(.unavailable, "the cluster at \(configuration.head) has no living node on this machine; start one with: manta start --address \(configuration.head)")
        }
        setNode(node)
        try await onLoop { owner in owner.joined(node, job: description) }
    }

    /// Why there is no answer of the head, when none has ever been at the address: what was found there instead, and what to do. Nil when one was there.
    /// - Parameter patience: how long it was looked for.
    package func absenceOfCluster(after patience: Duration) async -> MantaError? {
        guard let found = try? await onLoop({ owner in owner.headLink.wasOpened ? nil : owner.headLink.findings }) else { return nil }
        let head = configuration.head
        // Asks for a name's address, which may take a moment; nobody waits for more than this error any more.
        let finding = Machine.address(towards: head) == nil ? "this machine knows no way to that host" : found
        return MantaError(
            .unavailable,
            """
            no cluster answers at \(head) (tried for \(patience)): \(finding). Start one with "manta start --head", or check the address, as --address \
            or MANTA_ADDRESS gives it
            """)
    }
}
