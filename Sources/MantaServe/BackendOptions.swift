// BackendOptions: how a backend is to be run, as Swift code says it.

public import MantaModel

/// How a backend is run. All that is not said has its default.
public struct BackendOptions: Sendable {
    /// What you call the present code; another version gets new replicas.
    public var version: String
    /// How many replicas there are; 1 by default.
    public var replicas: Int
    /// Requests one caller (a proxy, a Swift program) gives one replica at once; 100 by default.
    public var maxConcurrent: Int
    /// Requests that wait at one caller; 200 by default. Further ones are refused with 503.
    public var maxQueued: Int
    /// What the backend's `context.configuration` is; can be changed without a restart.
    public var configuration: ConfigurationValue
    /// CPUs each replica holds; none by default.
    public var cpus: Double
    /// GPUs each replica holds; none by default.
    public var gpus: Double
    /// Bytes of memory each replica holds; none by default.
    public var memory: Int
    /// Amounts of custom resources each replica holds.
    public var resources: [String: Double]
    /// From a request's arrival to its answer; then 504. A minute by default.
    public var requestTimeout: Duration
    /// What a replica that must go has to finish its requests; 20 seconds by default.
    public var drainTime: Duration
    /// The executable that has the backend's type; this one by default.
    public var program: Program?

    public init(
        version: String = "1", replicas: Int = 1, maxConcurrent: Int = 100, maxQueued: Int = 200, configuration: ConfigurationValue = .null, cpus: Double = 0,
        gpus: Double = 0, memory: Int = 0, resources: [String: Double] = [:], requestTimeout: Duration = .seconds(60), drainTime: Duration = .seconds(20),
        program: Program? = nil
    ) {
        (self.version, self.replicas, self.maxConcurrent, self.maxQueued) = (version, replicas, maxConcurrent, maxQueued)
        (self.configuration, self.cpus, self.gpus, self.memory, self.resources) = (configuration, cpus, gpus, memory, resources)
        (self.requestTimeout, self.drainTime, self.program) = (requestTimeout, drainTime, program)
    }

    /// The description of a backend with these options.
    func description(named name: String, type: String, program ownProgram: Program) throws(MantaError) -> BackendDescription {
        var amounts = resources
        for reserved in [Resources.cpu, Resources.gpu, Resources.memory] where amounts[reserved] != nil {
            throw MantaError(.invalidArgument, "backend \"\(name)\": resources contains \"\(reserved)\"; use cpus, gpus or memory for it")
        }
        (amounts[Resources.cpu], amounts[Resources.gpu], amounts[Resources.memory]) = (cpus, gpus, Double(memory))
        var demand = Resources()
        for (resource, amount) in amounts {
            guard amount.isFinite, abs(amount) <= 9e14 else {
                throw MantaError(.invalidArgument, "backend \"\(name)\": resource \"\(resource)\" is \(amount); expected a number from 0 to 9e14")
            }
            demand[resource] = ResourceAmount(amount)
        }
        return BackendDescription(
            name: name, program: program ?? ownProgram, type: type, version: version, replicas: replicas, maxConcurrent: maxConcurrent, maxQueued: maxQueued,
            userConfiguration: configuration, resources: demand, requestTimeoutSeconds: requestTimeout.inSeconds, drainSeconds: drainTime.inSeconds)
    }
}
