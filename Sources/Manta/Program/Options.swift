// Options: what a user says about how a function or actor is to run, kept as it was said and checked when it is used.
//
// Nothing here throws before something is submitted: an impossible amount fails the reference or the actor it was said for.

import MantaLoop
public import MantaModel
import MantaWorker

/// How a remote function runs: the arguments of `@Remote` and of `options(...)`. What is nil has its default.
public struct FunctionOptions: Sendable {
    /// Of what says nothing.
    static let none = FunctionOptions()

    private let content: Content

    private struct Said: Sendable {
        var demand: ResourceDemand
        var retries: Int?
        var retryOn: RetryCondition?
        var timeout: Duration?
        var name: String?
        var scheduling: Scheduling?
        var maxCalls: Int?
    }

    /// What was said, checked once: all calls with these options share it, and copy a reference.
    private final class Content: Sendable {
        let said: Said
        let checked: Result<TaskOptions, MantaError>
        init(_ said: Said) { (self.said, checked) = (said, Result { () throws(MantaError) in try FunctionOptions.check(said) }) }
    }

    var checked: Result<TaskOptions, MantaError> { content.checked }

    /// See `@Remote` for what each means.
    public init(
        cpus: Double? = nil, gpus: Double? = nil, memory: Int? = nil, resources: [String: Double]? = nil, retries: Int? = nil,
        retryOn: RetryCondition? = nil, timeout: Duration? = nil, name: String? = nil, scheduling: Scheduling? = nil, maxCalls: Int? = nil
    ) {
        self.init(
            Said(
                demand: ResourceDemand(cpus: cpus, gpus: gpus, memory: memory, resources: resources), retries: retries, retryOn: retryOn, timeout: timeout,
                name: name, scheduling: scheduling, maxCalls: maxCalls))
    }

    private init(_ said: Said) { content = Content(said) }

    /// These options with what `other` says put over them.
    func overridden(by other: FunctionOptions) -> FunctionOptions {
        let (said, other) = (content.said, other.content.said)
        return FunctionOptions(
            Said(
                demand: said.demand.overridden(by: other.demand), retries: other.retries ?? said.retries, retryOn: other.retryOn ?? said.retryOn,
                timeout: other.timeout ?? said.timeout, name: other.name ?? said.name, scheduling: other.scheduling ?? said.scheduling,
                maxCalls: other.maxCalls ?? said.maxCalls))
    }

    /// Of this process: `MANTA_TASK_RETRIES`, else 3.
    private static let retriesUnlessSaid = Result { () throws(MantaError) in try ProgramSettings().taskRetries }

    private static func check(_ said: Said) throws(MantaError) -> TaskOptions {
        if let retries = said.retries, retries < -1 { throw MantaError(.invalidArgument, "retries is \(retries); expected -1 (without end) or more") }
        try checkTimeout(said.timeout)
        try checkName(said.name)
        if let maxCalls = said.maxCalls, maxCalls < 1 { throw MantaError(.invalidArgument, "maxCalls is \(maxCalls); expected 1 or more") }
        let resources = said.demand.isEmpty ? .oneCPU : try said.demand.checked(defaultCPUs: 1)
        if let complaint = said.scheduling?.complaint ?? said.scheduling?.group?.complaint(about: resources) { throw MantaError(.invalidArgument, complaint) }
        let retries = if let retries = said.retries { retries } else { try retriesUnlessSaid.get() }
        return TaskOptions(
            resources: resources, retries: retries, retryOn: said.retryOn ?? .never, timeout: said.timeout, name: said.name, scheduling: said.scheduling,
            maxCalls: said.maxCalls)
    }
}

/// How a call of an actor's method runs: the arguments of a method's `options(...)`. What is nil is as the actor was made.
public struct CallOptions: Sendable {
    var timeout: Duration?
    var maxTaskRetries: Int?
    var retryOn: RetryCondition?
    var concurrencyGroup: String?
    var name: String?

    /// See `RemoteMethod.options` for what each means.
    public init(
        timeout: Duration? = nil, maxTaskRetries: Int? = nil, retryOn: RetryCondition? = nil, concurrencyGroup: String? = nil, name: String? = nil
    ) {
        self.name = name
        (self.timeout, self.maxTaskRetries) = (timeout, maxTaskRetries)
        (self.retryOn, self.concurrencyGroup) = (retryOn, concurrencyGroup)
    }

    /// These options with what `other` says put over them.
    func overridden(by other: CallOptions) -> CallOptions {
        CallOptions(
            timeout: other.timeout ?? timeout, maxTaskRetries: other.maxTaskRetries ?? maxTaskRetries, retryOn: other.retryOn ?? retryOn,
            concurrencyGroup: other.concurrencyGroup ?? concurrencyGroup, name: other.name ?? name)
    }

    var isEmpty: Bool { timeout == nil && maxTaskRetries == nil && retryOn == nil && concurrencyGroup == nil && name == nil }

    /// Nil when nothing is said and the method is no stream.
    func checked(isStream: Bool) throws(MantaError) -> CallTerms? {
        if isEmpty, !isStream { return nil }
        try checkName(name)
        if let maxTaskRetries, maxTaskRetries < -1 {
            throw MantaError(.invalidArgument, "maxTaskRetries is \(maxTaskRetries); expected -1 (without end) or more")
        }
        try checkTimeout(timeout)
        return CallTerms(timeout: timeout, retries: maxTaskRetries, retryOn: retryOn, group: concurrencyGroup, name: name, isStream: isStream)
    }
}

private func checkName(_ name: String?) throws(MantaError) {
    guard let name, name.isEmpty || name.utf8.count > Limits.nameBytes else { return }
    throw MantaError(.invalidArgument, "the name \"\(name.prefix(64))\" has \(name.utf8.count) bytes of UTF-8; expected 1 to \(Limits.nameBytes)")
}

private func checkTimeout(_ timeout: Duration?) throws(MantaError) {
    guard let timeout, timeout <= .zero else { return }
    throw MantaError(.invalidArgument, "timeout is \(timeout); expected more than zero")
}

/// How an actor is made: the arguments of `@RemoteActor` and of `options(...)`. What is nil has its default.
public struct ActorCreationOptions: Sendable {
    var name: String?
    var namespace: String?
    var lifetime: ActorLifetime?
    var demand: ResourceDemand
    var maxRestarts: Int?
    var maxTaskRetries: Int?
    var retryOn: RetryCondition?
    var maxConcurrency: Int?
    var concurrencyGroups: [String: Int]?
    var isolation: ActorIsolation?
    var snapshots: SnapshotPolicy?
    var getIfExists: Bool?
    var program: Program?
    var scheduling: Scheduling?
    var maxPendingCalls: Int?
    var ordersCalls: Bool?
    var maxPendingItems: Int?

    public init(
        name: String? = nil, namespace: String? = nil, lifetime: ActorLifetime? = nil, cpus: Double? = nil, gpus: Double? = nil, memory: Int? = nil,
        resources: [String: Double]? = nil, maxRestarts: Int? = nil, maxTaskRetries: Int? = nil, retryOn: RetryCondition? = nil, maxConcurrency: Int? = nil,
        concurrencyGroups: [String: Int]? = nil, isolation: ActorIsolation? = nil, snapshots: SnapshotPolicy? = nil, getIfExists: Bool? = nil,
        program: Program? = nil, scheduling: Scheduling? = nil, maxPendingCalls: Int? = nil, ordersCalls: Bool? = nil, maxPendingItems: Int? = nil
    ) {
        (self.maxPendingCalls, self.ordersCalls, self.maxPendingItems) = (maxPendingCalls, ordersCalls, maxPendingItems)
        demand = ResourceDemand(cpus: cpus, gpus: gpus, memory: memory, resources: resources)
        (self.maxTaskRetries, self.retryOn, self.concurrencyGroups) = (maxTaskRetries, retryOn, concurrencyGroups)
        (self.name, self.namespace, self.lifetime, self.maxRestarts) = (name, namespace, lifetime, maxRestarts)
        (self.maxConcurrency, self.isolation, self.snapshots, self.getIfExists) = (maxConcurrency, isolation, snapshots, getIfExists)
        (self.program, self.scheduling) = (program, scheduling)
    }

    /// These options with what `other` says put over them.
    package func overridden(by other: ActorCreationOptions) -> ActorCreationOptions {
        var result = self
        result.demand = demand.overridden(by: other.demand)
        result.name = other.name ?? name
        result.namespace = other.namespace ?? namespace
        result.lifetime = other.lifetime ?? lifetime
        result.maxRestarts = other.maxRestarts ?? maxRestarts
        result.maxTaskRetries = other.maxTaskRetries ?? maxTaskRetries
        result.retryOn = other.retryOn ?? retryOn
        result.maxConcurrency = other.maxConcurrency ?? maxConcurrency
        result.concurrencyGroups = other.concurrencyGroups ?? concurrencyGroups
        result.isolation = other.isolation ?? isolation
        result.snapshots = other.snapshots ?? snapshots
        result.getIfExists = other.getIfExists ?? getIfExists
        result.program = other.program ?? program
        result.maxPendingCalls = other.maxPendingCalls ?? maxPendingCalls
        result.ordersCalls = other.ordersCalls ?? ordersCalls
        result.maxPendingItems = other.maxPendingItems ?? maxPendingItems
        result.scheduling = other.scheduling ?? scheduling
        return result
    }

    /// - Parameter defaultConcurrency: how many calls may run at once when nothing was said.
    func checked(defaultConcurrency: Int = 1) throws(MantaError) -> ActorOptions {
        for (what, text) in [("name", name), ("namespace", namespace)] {
            guard let text else { continue }
            if text.isEmpty { throw MantaError(.invalidArgument, "the \(what) of an actor is empty; give it one or leave it out") }
            if text.utf8.count > Limits.nameBytes {
                throw MantaError(.invalidArgument, "the \(what) of an actor has \(text.utf8.count) bytes; expected at most \(Limits.nameBytes)")
            }
        }
        if getIfExists == true, name == nil { throw MantaError(.invalidArgument, "getIfExists needs a name to look for; give one") }
        if let maxRestarts, maxRestarts < -1 { throw MantaError(.invalidArgument, "maxRestarts is \(maxRestarts); expected -1 (without end) or more") }
        if let maxConcurrency, maxConcurrency < 1 { throw MantaError(.invalidArgument, "maxConcurrency is \(maxConcurrency); expected 1 or more") }
        if let maxTaskRetries, maxTaskRetries < -1 {
            throw MantaError(.invalidArgument, "maxTaskRetries is \(maxTaskRetries); expected -1 (without end) or more")
        }
        if let maxPendingCalls, maxPendingCalls < 1 { throw MantaError(.invalidArgument, "maxPendingCalls is \(maxPendingCalls); expected 1 or more") }
        if let maxPendingItems, maxPendingItems < 1 { throw MantaError(.invalidArgument, "maxPendingItems is \(maxPendingItems); expected 1 or more") }
        for (group, limit) in concurrencyGroups ?? [:] where limit < 1 || group.isEmpty || group.utf8.count > Limits.nameBytes {
            throw MantaError(.invalidArgument, "the concurrency group \"\(group)\" has the limit \(limit); expected a name and 1 or more")
        }
        let held = try demand.checked(defaultCPUs: 0)
        if isolation == .shared, held[Resources.gpu].units > 0 {
            throw MantaError(.invalidArgument, "an actor with GPUs needs a process of its own, which sees those and no others; leave out isolation: .shared, or the GPUs")
        }
        if case .every(let period) = snapshots, period <= .zero || period > .seconds(86_400) {
            throw MantaError(.invalidArgument, "snapshots are to be taken every \(period); expected more than zero and at most a day")
        }
        if let complaint = scheduling?.complaint { throw MantaError(.invalidArgument, complaint) }
        // An actor that says nothing needs a CPU to be placed and none to live, so that a node can host more actors than it has CPUs.
        let forPlacing = demand.isEmpty ? Resources([Resources.cpu: 1]) : held
        return ActorOptions(
            name: name, namespace: namespace, lifetime: lifetime ?? .job, resources: held, placementResources: forPlacing, maxRestarts: maxRestarts ?? 0,
            maxTaskRetries: maxTaskRetries ?? 0, maxConcurrency: maxConcurrency ?? defaultConcurrency, concurrencyGroups: concurrencyGroups ?? [:],
            isolation: isolation ?? .process, snapshots: snapshots ?? .everyCall, getIfExists: getIfExists ?? false, program: program,
            scheduling: scheduling, maxPendingCalls: maxPendingCalls, ordersCalls: ordersCalls ?? true, maxPendingItems: maxPendingItems)
    }
}

/// Amounts of resources as they were said.
struct ResourceDemand: Sendable {
    var cpus: Double?
    var gpus: Double?
    /// Bytes.
    var memory: Int?
    var resources: [String: Double]?

    var isEmpty: Bool { cpus == nil && gpus == nil && memory == nil && (resources ?? [:]).isEmpty }

    func overridden(by other: ResourceDemand) -> ResourceDemand {
        ResourceDemand(cpus: other.cpus ?? cpus, gpus: other.gpus ?? gpus, memory: other.memory ?? memory, resources: other.resources ?? resources)
    }

    func checked(defaultCPUs: Double) throws(MantaError) -> Resources {
        var result = Resources()
        var amounts = resources ?? [:]
        for name in amounts.keys.sorted() {
            if let complaint = Resources.complaint(aboutCustomName: name) { throw MantaError(.invalidArgument, complaint) }
        }
        amounts[Resources.cpu] = cpus ?? defaultCPUs
        amounts[Resources.gpu] = gpus
        amounts[Resources.memory] = memory.map(Double.init)
        for (name, amount) in amounts {
            guard amount.isFinite, abs(amount) <= 9e14 else {
                throw MantaError(.invalidArgument, "resource \"\(name)\" is \(amount); expected a number from 0 to 9e14")
            }
            result[name] = ResourceAmount(amount)
        }
        if let complaint = result.complaint { throw MantaError(.invalidArgument, complaint) }
        return result
    }
}
