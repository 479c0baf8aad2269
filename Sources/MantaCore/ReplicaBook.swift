// ReplicaBook: makes the real replicas those that are wanted: starts, reconfigures, drains and replaces them, backend by backend.
//
// Life of a replica: 1. starting: its row is published, then its actor made 2. ready: published, so that requests come 3. draining: published, so that
// no more come; it finishes what it has 4. dead: its row is gone. It is never restarted: a new one with another tag takes its place.
// Always: replicas of an older revision leave only as ones of the present revision become ready, so a revision that fails to start takes nothing away.
// After a restart of whoever carries the actions out, `adopt` goes on with what is there; every action may be carried out twice.

package import MantaModel

package struct ReplicaBook: Sendable {
    package enum Action: Hashable, Sendable {
        /// Write its row, then make its actor, named as its tag, unless it is there; tell `ready` or `failed`.
        case start(ReplicaDescription, BackendDescription)
        /// It is ready already: see to it that `failed` is told when it dies.
        case watch(ReplicaDescription)
        case publish(ReplicaDescription)
        /// Give it the user's present configuration; tell `failed` when it refuses.
        case reconfigure(ReplicaDescription, ConfigurationValue)
        /// Let it finish what it has, for no longer than this; tell `drained`.
        case drain(ReplicaDescription, seconds: Double)
        /// End its actor, then remove its row.
        case end(ReplicaDescription)
        case status(backend: String, BackendStatus)
    }

    /// Starts that fail in a row before a backend counts as failed; it is still tried again.
    package static let failuresUntilFailed = 3
    /// A replica that dies younger than this counts as a failed start.
    package static let probation: Duration = .seconds(10)
    package static let firstRetry: Duration = .milliseconds(100)
    package static let lastRetry: Duration = .seconds(10)

    private struct Replica {
        var description: ReplicaDescription
        /// What it was given last; nil when that is not known.
        var configuration: ConfigurationValue?
        /// The backend's count of failures when it was started: those of one round count as one.
        var round: Int
        var readyAt: Instant?
    }

    private struct Backend {
        var description: BackendDescription
        var revision: UInt64
        /// Failed starts in a row.
        var failures = 0
        var failedAt = Instant.zero
        var reason = ""
        /// No start before this time.
        var retryAt: Instant?
        var status: BackendStatus?
        var replicas: [String: Replica] = [:]
        var isRemoved = false
    }

    private var backends: [String: Backend] = [:]

    package init() {}

    /// When `tick` has something to do next.
    package var nextWake: Instant? { backends.values.compactMap(\.retryAt).min() }

    /// Every replica that is not dead, by tag.
    package var replicas: [ReplicaDescription] {
        backends.values.flatMap { $0.replicas.values.map(\.description) }.sorted { $0.tag < $1.tag }
    }

    package func status(of backend: String) -> BackendStatus? { backends[backend]?.status }

    // MARK: What is wanted

    /// A backend is wanted like this.
    package mutating func want(_ row: BackendRow, at now: Instant, wall: WallTime, using generator: inout some RandomNumberGenerator) -> [Action] {
        var backend = backends[row.description.name] ?? Backend(description: row.description, revision: row.revision)
        if backend.revision != row.revision || backend.isRemoved {
            (backend.failures, backend.retryAt, backend.reason) = (0, nil, "")
        }
        (backend.description, backend.revision, backend.isRemoved) = (row.description, row.revision, false)
        var actions: [Action] = []
        reconfigure(&backend, &actions)
        reconcile(&backend, at: now, wall: wall, using: &generator, &actions)
        backends[row.description.name] = backend
        return actions
    }

    /// A backend is no longer wanted.
    package mutating func forget(_ name: String, at now: Instant, wall: WallTime, using generator: inout some RandomNumberGenerator) -> [Action] {
        change(name, at: now, wall: wall, using: &generator) { backend, _ in backend.isRemoved = true }
    }

    /// Replicas that a predecessor left, after all wanted backends were told.
    package mutating func adopt(
        _ found: [ReplicaDescription], at now: Instant, wall: WallTime, using generator: inout some RandomNumberGenerator
    ) -> [Action] {
        var actions: [Action] = []
        for description in found {
            guard backends[description.backend] != nil, description.state != .dead else {
                actions.append(.end(description))
                continue
            }
            let readyAt: Instant? = description.state == .starting ? nil : now
            let replica = Replica(description: description, configuration: nil, round: backends[description.backend]?.failures ?? 0, readyAt: readyAt)
            backends[description.backend]?.replicas[description.tag] = replica
        }
        // Only now is it known what is missing: a replica must not be started because its like was not yet looked at.
        for (name, backend) in backends.sorted(by: { $0.key < $1.key }) {
            for (_, replica) in backend.replicas.sorted(by: { $0.key < $1.key }) {
                switch replica.description.state {
                case .starting: actions.append(.start(replica.description, backend.description))
                case .ready: actions.append(.watch(replica.description))
                case .draining: actions.append(.drain(replica.description, seconds: backend.description.drainSeconds))
                case .dead: break
                }
            }
            actions += change(name, at: now, wall: wall, using: &generator) { backend, actions in Self.reconfigure(&backend, &actions) }
        }
        return actions
    }

    /// As `want`, for a backend whose replicas `adopt` will bring: starts nothing yet.
    package mutating func expect(_ row: BackendRow) {
        backends[row.description.name] = Backend(description: row.description, revision: row.revision, status: row.status)
    }

    // MARK: What happens

    /// A replica's actor is there and its backend constructed.
    package mutating func ready(
        _ tag: String, actor: ActorID, address: ProcessAddress, pid: Int32, node: NodeID?, method: UInt32, configuration: ConfigurationValue,
        at now: Instant, wall: WallTime, using generator: inout some RandomNumberGenerator
    ) -> [Action] {
        guard let name = backendName(of: tag) else { return [] }
        return change(name, at: now, wall: wall, using: &generator) { backend, actions in
            guard var replica = backend.replicas[tag], replica.description.state == .starting else { return }
            (replica.description.actor, replica.description.address) = (actor, address)
            (replica.description.pid, replica.description.node, replica.description.state) = (pid, node, .ready)
            replica.description.method = method
            (replica.readyAt, replica.configuration) = (now, configuration)
            backend.replicas[tag] = replica
            actions.append(.publish(replica.description))
            Self.reconfigure(&backend, &actions)
        }
    }

    /// A replica did not start, died, or refused its configuration.
    package mutating func failed(
        _ tag: String, reason: String, at now: Instant, wall: WallTime, using generator: inout some RandomNumberGenerator
    ) -> [Action] {
        guard let name = backendName(of: tag) else { return [] }
        return change(name, at: now, wall: wall, using: &generator) { backend, actions in
            guard let replica = backend.replicas.removeValue(forKey: tag) else { return }
            actions.append(.end(replica.description))
            guard replica.description.state != .draining, replica.description.revision == backend.revision else { return }
            backend.reason = reason
            let livedLong = replica.readyAt.map { now - $0 >= Self.probation } ?? false
            if livedLong || now - backend.failedAt > .seconds(60) { backend.failures = 0 }
            guard !livedLong, replica.round >= backend.failures || backend.failures == 0 else { return }
            backend.failures += 1
            backend.failedAt = now
            let delay = Self.firstRetry * (1 << min(backend.failures - 1, 10))
            backend.retryAt = now + min(delay, Self.lastRetry)
        }
    }

    /// A replica that is starting cannot go on for this reason, as yet.
    package mutating func waits(_ tag: String, reason: String, at now: Instant, wall: WallTime, using generator: inout some RandomNumberGenerator) -> [Action] {
        guard let name = backendName(of: tag) else { return [] }
        return change(name, at: now, wall: wall, using: &generator) { backend, _ in
            if backend.replicas[tag]?.description.state == .starting { backend.reason = reason }
        }
    }

    /// A replica has nothing in flight any more, or its time to drain is over.
    package mutating func drained(_ tag: String, at now: Instant, wall: WallTime, using generator: inout some RandomNumberGenerator) -> [Action] {
        guard let name = backendName(of: tag) else { return [] }
        return change(name, at: now, wall: wall, using: &generator) { backend, actions in
            guard let replica = backend.replicas.removeValue(forKey: tag) else { return }
            actions.append(.end(replica.description))
        }
    }

    /// Time has passed.
    package mutating func tick(at now: Instant, wall: WallTime, using generator: inout some RandomNumberGenerator) -> [Action] {
        var actions: [Action] = []
        for (name, backend) in backends.sorted(by: { $0.key < $1.key }) where backend.retryAt.map({ $0 <= now }) ?? false {
            actions += change(name, at: now, wall: wall, using: &generator) { _, _ in }
        }
        return actions
    }

    // MARK: Reconciling

    private func backendName(of tag: String) -> String? {
        guard let mark = tag.lastIndex(of: "#") else { return nil }
        return String(tag[..<mark])
    }

    private mutating func change(
        _ name: String, at now: Instant, wall: WallTime, using generator: inout some RandomNumberGenerator, _ body: (inout Backend, inout [Action]) -> Void
    ) -> [Action] {
        guard var backend = backends[name] else { return [] }
        var actions: [Action] = []
        body(&backend, &actions)
        reconcile(&backend, at: now, wall: wall, using: &generator, &actions)
        backends[name] = backend.isRemoved && backend.replicas.isEmpty ? nil : backend
        return actions
    }

    private static func reconfigure(_ backend: inout Backend, _ actions: inout [Action]) {
        let wanted = backend.description.userConfiguration
        for tag in backend.replicas.keys.sorted() {
            guard var replica = backend.replicas[tag], replica.description.state == .ready, replica.description.revision == backend.revision,
                replica.configuration != wanted
            else { continue }
            replica.configuration = wanted
            backend.replicas[tag] = replica
            actions.append(.reconfigure(replica.description, wanted))
        }
    }
    private func reconfigure(_ backend: inout Backend, _ actions: inout [Action]) { Self.reconfigure(&backend, &actions) }

    private func reconcile(
        _ backend: inout Backend, at now: Instant, wall: WallTime, using generator: inout some RandomNumberGenerator, _ actions: inout [Action]
    ) {
        let wanted = backend.isRemoved ? 0 : backend.description.replicas
        let living = backend.replicas.values.map(\.description).filter { $0.state == .starting || $0.state == .ready }
        var present = living.filter { $0.revision == backend.revision }.sorted { $0.index < $1.index }
        let old = living.filter { $0.revision != backend.revision }.sorted { ($0.revision, $0.index) > ($1.revision, $1.index) }

        // Too many of the present revision: those that serve nothing yet go first, then the youngest.
        let surplus = present.sorted { ($0.state == .ready ? 0 : 1, $0.index) < ($1.state == .ready ? 0 : 1, $1.index) }.dropFirst(wanted)
        for replica in surplus { retire(replica.tag, &backend, &actions) }
        present.removeAll { replica in surplus.contains { $0.tag == replica.tag } }

        if present.count >= wanted {
            backend.retryAt = nil
        } else if backend.retryAt.map({ $0 <= now }) ?? true {
            backend.retryAt = nil
            for _ in present.count..<wanted {
                let taken = Set(present.map(\.index))
                let description = ReplicaDescription(
                    tag: "\(backend.description.name)#\(Self.suffix(using: &generator))", backend: backend.description.name,
                    index: (0...).first { !taken.contains($0) } ?? 0, version: backend.description.version, revision: backend.revision, state: .starting,
                    startedAt: wall)
                present.append(description)
                backend.replicas[description.tag] = Replica(
                    description: description, configuration: backend.description.userConfiguration, round: backend.failures, readyAt: nil)
                actions.append(.start(description, backend.description))
            }
        }

        // Old ones keep the places that new ones do not fill yet.
        let ready = present.filter { $0.state == .ready }.count
        let kept = old.filter { $0.state == .ready }.prefix(max(0, wanted - ready))
        for replica in old where !kept.contains(where: { $0.tag == replica.tag }) { retire(replica.tag, &backend, &actions) }

        if backend.isRemoved { return }
        let status = Self.status(of: backend, wanted: wanted, ready: ready, old: kept.count)
        if status != backend.status {
            backend.status = status
            actions.append(.status(backend: backend.description.name, status))
        }
    }

    private func retire(_ tag: String, _ backend: inout Backend, _ actions: inout [Action]) {
        guard var replica = backend.replicas[tag] else { return }
        if replica.description.state == .starting {
            backend.replicas[tag] = nil
            actions.append(.end(replica.description))
            return
        }
        replica.description.state = .draining
        backend.replicas[tag] = replica
        actions.append(.publish(replica.description))
        actions.append(.drain(replica.description, seconds: backend.description.drainSeconds))
    }

    private static func status(of backend: Backend, wanted: Int, ready: Int, old: Int) -> BackendStatus {
        if ready >= wanted { return BackendStatus(state: .healthy, ready: ready + old, message: "") }
        let count = "\(ready) of \(wanted) replicas of version \"\(backend.description.version)\" are ready"
        let before = old > 0 ? "; \(old) of the version before still serve" : ""
        let reason = backend.reason.isEmpty ? "" : ": \(backend.reason)"
        let state: BackendStatus.State = backend.failures >= failuresUntilFailed ? .failed : .updating
        return BackendStatus(state: state, ready: ready + old, message: count + before + reason)
    }

    private static func suffix(using generator: inout some RandomNumberGenerator) -> String {
        let text = String(UInt32.random(in: .min ... .max, using: &generator), radix: 16)
        return String(repeating: "0", count: 8 - text.count) + text
    }
}
