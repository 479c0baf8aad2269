// ProxyLane: one event loop of a proxy: its HTTP server, its links, its tables and its router. What it does with requests is in +Requests, with
// replicas in +Replicas, with the head in +Head, its own pages are in +Pages.
//
// The way of a request allocates no object and takes no lock, and nothing on it is logged.

import Glibc
import Logging
import MantaCore
import MantaHTTP
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

/// `@unchecked Sendable`: everything is touched on its loop only.
final class ProxyLane: @unchecked Sendable {
    let configuration: ProxyConfiguration
    let loop: EventLoop
    /// The lane that keeps the copy of the tables.
    let isFirst: Bool
    let logger = Logger(label: "manta.proxy")
    let process = ProcessID.random()
    /// The high half of the task identifiers of this lane's calls.
    let taskPrefix = UInt64.random(in: .min ... .max)

    private(set) var transport: Transport!
    private(set) var server: HTTPServer!
    private(set) var head: Link!
    private(set) var errors: ErrorReports!

    var tables = ProxyTables()
    var router = Router()
    var exchanges = Exchanges()
    /// By the router's slots.
    var replicaLinks: [ReplicaLink?] = []
    var draws: QuickGenerator
    /// The tables have changed and the router does not know it yet.
    var isStale = false
    var isSaving = false

    init(configuration: ProxyConfiguration, loop: EventLoop, isFirst: Bool) throws(MantaError) {
        (self.configuration, self.loop, self.isFirst) = (configuration, loop, isFirst)
        draws = QuickGenerator(seed: UInt64.random(in: .min ... .max))
        tables.restore(from: configuration.directory)
        let identity = Hello(cluster: nil, role: .proxy, process: process, pid: getpid(), endpoint: "", host: Machine.name)
        transport = Transport(loop: loop, identity: identity, delegate: self)
        errors = ErrorReports(loop: loop) { [weak self] rows in self?.sendErrors(rows) }
        refresh()
        head = transport.connect(to: configuration.head, expecting: .head, grace: .some(nil))
        do throws(MantaError) {
            server = try HTTPServer(
                loop: loop, address: configuration.host, port: Int(configuration.port), limits: .ingress, sharesPort: configuration.loops > 1, handler: self)
        } catch {
            transport.close()
            throw error
        }
    }

    var port: Int { server.port }

    func stop() {
        server.stop()
        transport.close()
    }
}

/// xoshiro256++: a draw costs a nanosecond. What it decides needs to be even, not secret.
struct QuickGenerator: RandomNumberGenerator {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    init(seed: UInt64) {
        var mix = seed
        func step() -> UInt64 {
            mix &+= 0x9e37_79b9_7f4a_7c15
            let value = (mix ^ mix >> 30) &* 0xbf58_476d_1ce4_e5b9
            return (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        }
        state = (step(), step(), step(), step())
    }

    @inline(__always) mutating func next() -> UInt64 {
        func rotate(_ value: UInt64, _ by: UInt64) -> UInt64 { value << by | value >> (64 - by) }
        let result = rotate(state.0 &+ state.3, 23) &+ state.0
        let kept = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= kept
        state.3 = rotate(state.3, 45)
        return result
    }
}
