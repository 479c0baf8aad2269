// MicrobenchmarkRows: what each row of `manta microbenchmark` does, in the order they are measured.
//
// Names and work are those of Ray's own microbenchmark, so that the two compare line by line. One step of a row counts as `perStep` of what it names.

import Manta

struct MicrobenchmarkRow {
    let name: String
    /// How many of the row's units one step does.
    let perStep: Double
    /// It is measured only when it is named, once, and without warming up: it takes long.
    let isLarge: Bool
    /// The same work without Manta. The row then tells how long that takes, in percent of how long a step takes.
    let yardstick: (@Sendable () async -> Void)?
    /// Makes what the row needs, then returns the step that is repeated.
    let prepare: @Sendable () async throws -> @Sendable () async throws -> Void

    init(
        _ name: String, perStep: Double = 1, isLarge: Bool = false, percentOf yardstick: (@Sendable () async -> Void)? = nil,
        prepare: @escaping @Sendable () async throws -> @Sendable () async throws -> Void
    ) {
        (self.name, self.perStep, self.isLarge, self.yardstick, self.prepare) = (name, perStep, isLarge, yardstick, prepare)
    }

    static let all: [MicrobenchmarkRow] = [
        MicrobenchmarkRow("get_small") {
            let one = Manta.put(0)
            return { _ = try await one.value }
        },
        MicrobenchmarkRow("put_small") { { _ = Manta.put(0) } },
        MicrobenchmarkRow("put_small_multi", perStep: 1000) {
            { _ = try await Manta.get((0..<10).map { _ in putMany.remote(100) }) }
        },
        MicrobenchmarkRow("put_gigabytes", perStep: 0.8388608) {
            let big = [Int64](repeating: 0, count: 100 * 1024 * 1024)
            return { _ = Manta.put(big) }
        },
        // What memory itself allows, beside the row above.
        MicrobenchmarkRow("memcpy_gigabytes", perStep: 0.8388608) {
            let big = [Int64](repeating: 0, count: 100 * 1024 * 1024)
            let target = MemoryCopy(of: big)
            return { target.copy(big) }
        },
        // 800 MB, read in place.
        MicrobenchmarkRow("get_gigabytes_in_place") {
            let big = Manta.put([Int64](repeating: 1, count: 100 * 1024 * 1024)).inPlace()
            return { _ = try await big.value.count }
        },
        // One array of 160 MB as the argument of ten calls.
        MicrobenchmarkRow("pass_large_10_times", perStep: 10) {
            let big = Manta.put([Int64](repeating: 1, count: 20 * 1024 * 1024)).inPlace()
            return { _ = try await Manta.get((0..<10).map { _ in countOf.remote(big) }) }
        },
        MicrobenchmarkRow("get_10k_objects") {
            let objects = (0..<10_000).map { Manta.put($0) }
            return { _ = try await Manta.get(objects) }
        },
        MicrobenchmarkRow("get_10k_refs") {
            let references = hold.remote(10_000)
            return { _ = try await references.value }
        },
        MicrobenchmarkRow("wait_1k_refs") {
            {
                var rest = (0..<1000).map { _ in small.remote() }
                while !rest.isEmpty { rest = try await Manta.wait(rest).pending }
            }
        },
        MicrobenchmarkRow("wait_1k_ready_refs") {
            let references = (0..<1000).map { Manta.put($0) }
            return { _ = try await Manta.wait(references, count: 1000) }
        },
        MicrobenchmarkRow("tasks_sync") { { _ = try await small.remote().value } },
        MicrobenchmarkRow("tasks_async", perStep: 1000) { { _ = try await Manta.get((0..<1000).map { _ in small.remote() }) } },
        MicrobenchmarkRow("tasks_async_multi", perStep: 4000) {
            let clients = (0..<4).map { _ in PlainActor.remote() }
            return { _ = try await Manta.get(clients.map { $0.submitTasks(1000) }) }
        },
        // Work of about 8 ms each, on the two CPUs of the cluster.
        MicrobenchmarkRow("task_blocks", perStep: 100) { { try await Block.asTasks(100) } },
        // The same, as a share of what two threads do without tasks.
        MicrobenchmarkRow("task_blocks_percent", percentOf: { await Block.onTwoThreads(100) }) { { try await Block.asTasks(100) } },
        MicrobenchmarkRow("actor_1_1_sync") {
            let actor = PlainActor.remote()
            return { _ = try await actor.small().value }
        },
        MicrobenchmarkRow("actor_1_1_async", perStep: 1000) {
            let actor = PlainActor.remote()
            return { _ = try await Manta.get((0..<1000).map { _ in actor.small() }) }
        },
        MicrobenchmarkRow("actor_1_n_async", perStep: 1000) {
            let (client, actor) = (PlainActor.remote(), PlainActor.remote())
            return { _ = try await client.call([actor], times: 1000).value }
        },
        MicrobenchmarkRow("actor_n_n_async", perStep: 4000) {
            let clients = (0..<4).map { _ in PlainActor.remote() }
            let actors = (0..<2).map { _ in PlainActor.remote() }
            return { _ = try await Manta.get(clients.map { $0.call(actors, times: 500) }) }
        },
        MicrobenchmarkRow("actor_n_n_arg_async", perStep: 1000) {
            let clients = (0..<2).map { _ in PlainActor.remote() }
            let actors = (0..<2).map { _ in PlainActor.remote() }
            return { _ = try await Manta.get(zip(clients, actors).map { $0.echo(through: $1, times: 500) }) }
        },
        MicrobenchmarkRow("async_actor_1_1_sync") {
            let actor = ConcurrentActor.remote()
            return { _ = try await actor.small().value }
        },
        MicrobenchmarkRow("async_actor_1_1_async", perStep: 1000) {
            let actor = ConcurrentActor.remote()
            return { _ = try await Manta.get((0..<1000).map { _ in actor.small() }) }
        },
        // Created, called once, and ended with their handles.
        MicrobenchmarkRow("actors_created_and_called_isolated", perStep: 20) {
            { _ = try await Manta.get((0..<20).map { _ in PlainActor.remote().small() }) }
        },
        MicrobenchmarkRow("actors_created_and_called_shared", perStep: 1000) {
            { _ = try await Manta.get((0..<1000).map { _ in PlainActor.options(isolation: .shared).remote().small() }) }
        },
        MicrobenchmarkRow("placement_group_create_removal", perStep: 100) {
            {
                var groups: [PlacementGroup] = []
                for _ in 0..<100 { groups.append(try await Manta.placementGroup([["CPU": 0.001]])) }
                for group in groups { _ = try await group.ready().value }
                for group in groups { try await group.remove() }
            }
        },
        MicrobenchmarkRow("tasks_queued_1m", perStep: 1_000_000, isLarge: true) {
            { _ = try await Manta.get((0..<1_000_000).map { _ in nothing.remote(0) }) }
        },
        MicrobenchmarkRow("tasks_nested_1k", perStep: 1000) { { _ = try await nest.remote(1000).value } },
        MicrobenchmarkRow("tasks_nested_100k", perStep: 100_000, isLarge: true) { { _ = try await nest.remote(100_000).value } },
    ]
}
