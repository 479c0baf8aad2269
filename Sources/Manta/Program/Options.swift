// Options: what a user says about how a function or actor is to run, kept as it was said and checked when it is used.
//
// Nothing here throws before something is submitted: an impossible amount fails the reference or the actor it was said for.

public import MantaModel
import MantaWorker

/// How a remote function runs: the arguments of `@Remote` and of `options(...)`. What is nil has its default.
public struct FunctionOptions: Sendable {
    var demand: ResourceDemand
    var retries: Int?
    var name: String?

    /// See `@Remote` for what each means.
    public init(
        cpus: Double? = nil, gpus: Double? = nil, memory: Int? = nil, resources: [String: Double]? = nil, retries: Int? = nil, name: String? = nil
    ) {
        demand = ResourceDemand(cpus: cpus, gpus: gpus, memory: memory, resources: resources)
        (self.retries, self.name) = (retries, name)
    }

    /// These options with what `other` says put over them.
    func overridden(by other: FunctionOptions) -> FunctionOptions {
        var result = self
        result.demand = demand.overridden(by: other.demand)
        result.retries = other.retries ?? retries
        result.name = other.name ?? name
        return result
    }

    func checked() throws(MantaError) -> TaskOptions {
        if let retries, retries < 0 { throw MantaError(.invalidArgument, "retries is \(retries); expected 0 or more") }
        return TaskOptions(resources: try demand.checked(defaultCPUs: 1), retries: retries ?? 3, name: name)
    }
}

/// How an actor is made: the arguments of `@RemoteActor` and of `options(...)`. What is nil has its default.
public struct ActorCreationOptions: Sendable {
    var name: String?
    var namespace: String?
    var lifetime: ActorLifetime?
    var demand: ResourceDemand
    var maxRestarts: Int?
    var maxConcurrency: Int?
    var getIfExists: Bool?
    var program: Program?

    public init(
        name: String? = nil, namespace: String? = nil, lifetime: ActorLifetime? = nil, cpus: Double? = nil, gpus: Double? = nil, memory: Int? = nil,
        resources: [String: Double]? = nil, maxRestarts: Int? = nil, maxConcurrency: Int? = nil, getIfExists: Bool? = nil, program: Program? = nil
    ) {
        demand = ResourceDemand(cpus: cpus, gpus: gpus, memory: memory, resources: resources)
        (self.name, self.namespace, self.lifetime, self.maxRestarts) = (name, namespace, lifetime, maxRestarts)
        (self.maxConcurrency, self.getIfExists, self.program) = (maxConcurrency, getIfExists, program)
    }

    /// These options with what `other` says put over them.
    package func overridden(by other: ActorCreationOptions) -> ActorCreationOptions {
        var result = self
        result.demand = demand.overridden(by: other.demand)
        result.name = other.name ?? name
        result.namespace = other.namespace ?? namespace
        result.lifetime = other.lifetime ?? lifetime
        result.maxRestarts = other.maxRestarts ?? maxRestarts
        result.maxConcurrency = other.maxConcurrency ?? maxConcurrency
        result.getIfExists = other.getIfExists ?? getIfExists
        result.program = other.program ?? program
        return result
    }

    func checked() throws(MantaError) -> ActorOptions {
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
        let held = try demand.checked(defaultCPUs: 0)
        // An actor that says nothing needs a CPU to be placed and none to live, so that a node can host more actors than it has CPUs.
        let forPlacing = demand.isEmpty ? Resources([Resources.cpu: 1]) : held
        return ActorOptions(
            name: name, namespace: namespace, lifetime: lifetime ?? .job, resources: held, placementResources: forPlacing, maxRestarts: maxRestarts ?? 0,
            maxConcurrency: maxConcurrency ?? 1, getIfExists: getIfExists ?? false, program: program)
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
        for reserved in [Resources.cpu, Resources.gpu, Resources.memory] where amounts[reserved] != nil {
            throw MantaError(.invalidArgument, "resources contains \"\(reserved)\"; use the parameter cpus, gpus or memory for it")
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
