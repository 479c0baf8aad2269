// ServeFixtures: short ways to the rows that the tests of serving need, and a generator whose draws a test chooses.

import MantaCore
import MantaModel

func backend(_ name: String, replicas: Int = 1, version: String = "1", maxConcurrent: Int = 2, maxQueued: Int = 2, configuration: ConfigurationValue = .null) -> BackendDescription {
    BackendDescription(
        name: name, program: Program(path: "/bin/echo"), type: "Shop.Echo", version: version, replicas: replicas, maxConcurrent: maxConcurrent,
        maxQueued: maxQueued, userConfiguration: configuration)
}

func row(_ description: BackendDescription, revision: UInt64 = 1, state: BackendStatus.State = .updating) -> BackendRow {
    BackendRow(description: description, status: BackendStatus(state: state, ready: 0, message: "they do not start"), revision: revision)
}

func endpoint(_ name: String, route: String?, methods: [RequestMethod] = [.get, .post], traffic: [String: Double] = ["a": 1], shadows: [String: Double] = [:]) -> EndpointDescription {
    EndpointDescription(name: name, route: route, methods: methods, traffic: traffic, shadows: shadows)
}

func replica(_ tag: String, of backend: String, state: ReplicaState = .ready, number: UInt64 = 1) -> ReplicaDescription {
    ReplicaDescription(
        tag: tag, backend: backend, index: 0, version: "1", revision: 1, state: state, actor: ActorID(high: 1, low: number),
        address: ProcessAddress(process: ProcessID(high: 1, low: number), endpoint: "ipc:///tmp/\(number)"), startedAt: WallTime(milliseconds: 0))
}

/// SplitMix64: the same draws in every run.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
