// Probe: the program that the process tests deploy and drive: small drivers, each chosen by its first argument, and backends with bad manners.
//
// Each driver prints what the test looks at, one line for each fact.

import Foundation
import Manta

@RemoteActor actor Tally {
    private var count = 0
    init() {}
    func add(_ amount: Int) -> Int {
        count += amount
        return count
    }
}

/// Takes a while, and says on which node.
@Remote func place(milliseconds: Int) async throws -> String {
    try await Task.sleep(for: .milliseconds(milliseconds))  // the work itself
    return try Manta.context.node?.description ?? "nowhere"
}

struct Mishap: Error {}

/// Prints on both of a worker's outputs.
@Remote func speak(_ text: String) -> Int {
    print("said \(text)")
    _ = "complained \(text)\n".withCString { write(2, $0, strlen($0)) }
    return text.utf8.count
}
@Remote func stumble() async throws -> Int { throw Mishap() }
@Remote func stumbleWatched() async throws -> Int { throw Mishap() }

/// The bytes of the executable that it runs in, and the node.
@Remote func executable() async throws -> String {
    try await Task.sleep(for: .milliseconds(50))  // the work itself
    var status = stat()
    guard stat("/proc/self/exe", &status) == 0 else { return "none" }
    return try "\(status.st_size) \(Manta.context.node?.description ?? "nowhere")"
}

/// Runs tasks of its own.
@Remote func parent(children: Int) async throws -> Int {
    try await Manta.get((0..<children).map { _ in place.remote(milliseconds: 1) }).count
}

/// A tree of tasks, each of which submits the next.
@Remote func branch(depth: Int) async throws -> Int {
    if depth == 0 { return 1 }
    return try await Manta.get((0..<2).map { _ in branch.remote(depth: depth - 1) }).reduce(1, +)
}

/// Does not come to an end.
@Remote(cpus: 0.1) func linger() async throws -> Int {
    try await Task.sleep(for: .seconds(3600))  // the work itself
    return 0
}

/// Prints at once, whether or not anybody reads.
private func say(_ fact: some CustomStringConvertible) {
    _ = "\(fact)\n".withCString { write(1, $0, strlen($0)) }
}

/// A cluster of this program, whose store of 16 MiB is filled with objects of one megabyte.
private func flood(megabytes count: Int) async throws {
    let session = try await Manta.start(storeMemory: 16 << 20)
    let references = (0..<count).map { Manta.put([UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: 1_000_000)) }
    _ = try await references[0].value
    say("full")
    while true { try await Task.sleep(for: .seconds(3600)) }  // until the test ends it
    withExtendedLifetime((session, references)) {}
}

@main
enum Probe {
    static func main() async throws {
        var arguments = CommandLine.arguments.dropFirst()
        var namespace = "probe"
        if let option = arguments.firstIndex(of: "--in") {
            namespace = arguments[option + 1]
            arguments.removeSubrange(option...option + 1)
        }
        if arguments.first == "flood", let count = arguments.last.flatMap({ Int($0) }) { return try await flood(megabytes: count) }
        let session = try await Manta.connect(namespace: namespace)
        switch (arguments.first, arguments.last) {
        case ("create", let name?):
            say(try await Tally.options(name: name, lifetime: .detached).remote().add(1).value)
        case ("ensure", let name?):
            say(try await Tally.options(name: name, lifetime: .detached, maxRestarts: -1, getIfExists: true).remote().add(1).value)
        case ("add", let name?):
            say(try await Tally.named(name).add(1).value)
        case ("hold", let name?):
            say(try await Tally.options(name: name).remote().add(1).value)
            while true { try await Task.sleep(for: .seconds(3600)) }  // until the test ends it
        case ("chatter", let text?):
            say(try await speak.remote(text).value)
            while true { try await Task.sleep(for: .seconds(3600)) }  // until the test ends it
        case ("stumble", _):
            // Who looks at the failure is told; nobody looks at the other one.
            _ = try? await stumbleWatched.remote().value
            _ = stumble.remote()
            while true { try await Task.sleep(for: .seconds(3600)) }  // until the test ends it
        case ("overreach", _):
            let tally = Tally.options(gpus: 9).remote()
            let group = try await Manta.placementGroup([["CPU": 128]])
            let grouped = place.options(scheduling: .group(group)).remote(milliseconds: 1)
            say(try await Manta.get((0..<3).map { _ in place.options(cpus: 64).remote(milliseconds: 1) }).count)
            _ = try await tally.add(1).value  // until the test ends it
            _ = try await grouped.value
        case ("spread", let count?):
            let nodes = try await Manta.get((0..<(Int(count) ?? 1)).map { _ in place.remote(milliseconds: 200) })
            for node in Set(nodes).sorted() { say(node) }
        case ("executables", let gate?):
            say(try await executable.remote().value)
            while access(gate, F_OK) != 0 { try await Task.sleep(for: .milliseconds(20)) }  // until the test says so
            var found: Set<String> = []
            while Set(found.map { $0.split(separator: " ").last }).count < 2 {
                found.formUnion(try await Manta.get((0..<8).map { _ in executable.options(scheduling: .spread).remote() }))
            }
            for line in found.sorted() { say(line) }
        case ("family", let count?):
            say(try await parent.remote(children: Int(count) ?? 1).value)
        case ("tree", let depth?):
            say(try await branch.remote(depth: Int(depth) ?? 1).value)
        case ("linger", let count?):
            _ = try await Manta.get((0..<2).map { _ in place.remote(milliseconds: 1) })
            let lingering = (0..<(Int(count) ?? 1)).map { _ in linger.remote() }
            _ = try await Manta.get(lingering)  // until the test ends it
        case ("hoard", let count?):
            let inner = Manta.put([UInt8](repeating: 1, count: Int(count) ?? 1))
            let outer = Manta.put([inner])
            say(outer.id)
            while true { try await Task.sleep(for: .seconds(3600)) }  // until the test ends it
        case ("scatter", let count?):
            let encoder = JSONEncoder()
            // Where nobody watches.
            for number in 0..<(Int(count) ?? 1) { say(try encoder.encode(Manta.put(number)).count) }
            while true { try await Task.sleep(for: .seconds(3600)) }  // until the test ends it
        default:
            say("expected create NAME, add NAME, hold NAME, chatter TEXT, stumble, overreach, spread COUNT, executables GATE, family COUNT, tree DEPTH, linger COUNT, hoard BYTES, flood MEGABYTES or scatter COUNT; --in NAMESPACE")
        }
        await session.stop()
    }
}
