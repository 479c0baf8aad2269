// NodeSettings: what a program says of the node that it starts, as it was said, and in the words of the node's environment, the same that `manta start` uses.

import MantaModel

struct NodeSettings {
    var cpus: Double?
    var gpus: Double?
    /// Bytes.
    var memory: Int?
    var resources: [String: Double]
    var labels: [String: String]
    var storeMemory: Int?
    var workerMemory: Int?
    var spillDirectory: String?
    var spillLimit: Int?

    /// Throws `invalidArgument` when anything was said, since the cluster at the address runs already.
    func requireNone(becauseOf address: String) throws(MantaError) {
        let said: [(String, Bool)] = [
            ("cpus", cpus != nil), ("gpus", gpus != nil), ("memory", memory != nil), ("resources", !resources.isEmpty), ("labels", !labels.isEmpty),
            ("storeMemory", storeMemory != nil), ("workerMemory", workerMemory != nil), ("spillDirectory", spillDirectory != nil),
            ("spillLimit", spillLimit != nil),
        ]
        let names = said.filter(\.1).map(\.0)
        guard !names.isEmpty else { return }
        throw MantaError(
            .invalidArgument,
            "\(names.joined(separator: ", ")) say how a cluster is started, but the environment variable \(Variable.address) names one that runs, \(address): leave them out, or unset the variable")
    }

    /// Variables of the node's environment. Throws `invalidArgument`.
    func variables() throws(MantaError) -> [String: String] {
        let demand = ResourceDemand(cpus: cpus, gpus: gpus, memory: memory, resources: resources)
        _ = try demand.checked(defaultCPUs: 0)
        for (key, value) in labels.sorted(by: { $0.key < $1.key }) {
            if let complaint = NodeLabel.complaint(about: key, value) { throw MantaError(.invalidArgument, complaint) }
        }
        if let storeMemory, storeMemory < Limits.storeBytesAtLeast {
            throw MantaError(.invalidArgument, "an object store of \(storeMemory) bytes; expected at least \(Limits.storeBytesAtLeast)")
        }
        if let workerMemory, workerMemory <= 0 { throw MantaError(.invalidArgument, "workerMemory is \(workerMemory) bytes; expected more than 0") }
        if let spillDirectory, spillDirectory != "off", !spillDirectory.hasPrefix("/") {
            throw MantaError(.invalidArgument, "spillDirectory is \"\(spillDirectory.prefix(256))\"; expected a path that begins with /, or off")
        }
        if let spillLimit, spillLimit < 0 { throw MantaError(.invalidArgument, "spillLimit is \(spillLimit) bytes; expected 0 or more") }
        var variables: [String: String] = [:]
        variables[Variable.cpus] = cpus.map { "\($0)" }
        variables[Variable.gpus] = gpus.map { "\($0)" }
        variables[Variable.memory] = memory.map { "\($0)" }
        variables[Variable.resources] = resources.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        variables[Variable.labels] = labels.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
        variables[Variable.storeMemory] = storeMemory.map { "\($0)" }
        variables[Variable.workerMemory] = workerMemory.map { "\($0)" }
        variables[Variable.spillDirectory] = spillDirectory
        variables[Variable.spillLimit] = spillLimit.map { "\($0)" }
        return variables
    }
}
