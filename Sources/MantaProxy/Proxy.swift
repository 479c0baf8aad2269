// Proxy: the process that answers HTTP: one lane per event loop, all on one port.
//
// The first lane lives on the process's own loop; the others have loops of their own. Lanes share nothing: each has its connections, its links and its
// tables, so a request never changes threads.

package import MantaLoop
package import MantaModel

/// The HTTP front of serving.
///
/// `@unchecked Sendable`: its state is touched on the first loop only; the lanes belong to their loops.
package final class Proxy: @unchecked Sendable {
    private let configuration: ProxyConfiguration
    private let loop: EventLoop
    private var lanes: [ProxyLane] = []
    private var others: [EventLoop] = []
    /// Where it serves, `http://host:port`, once it is started.
    package private(set) var endpoint = ""

    package init(configuration: ProxyConfiguration, loop: EventLoop) { (self.configuration, self.loop) = (configuration, loop) }

    /// Listens. Serves from the tables of its last run until the head has told the present ones.
    package func start() throws(MantaError) {
        guard configuration.loops >= 1, configuration.loops <= 64 else {
            throw MantaError(.invalidArgument, "a proxy has \(configuration.loops) loops; expected 1 to 64")
        }
        var configuration = configuration
        let first = try ProxyLane(configuration: configuration, loop: loop, isFirst: true)
        lanes.append(first)
        configuration.port = UInt16(clamping: first.port)
        endpoint = "http://\(configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host):\(configuration.port)"
        for number in 1..<max(1, configuration.loops) {
            let other = EventLoop(name: "proxy-\(number)", spinning: Limits.spin)
            // The lane is made before its loop runs.
            lanes.append(try ProxyLane(configuration: configuration, loop: other, isFirst: false))
            others.append(other)
            other.start()
        }
    }

    /// Ends it: requests under way get 503.
    package func stop() {
        for (index, lane) in lanes.enumerated() {
            if index == 0 {
                lane.stop()
            } else {
                let other = others[index - 1]
                other.execute {
                    lane.stop()
                    other.stop()
                }
                other.join()
            }
        }
        (lanes, others) = ([], [])
    }
}
