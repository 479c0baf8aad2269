// AdminServer: the admin API and the dashboard on a port. Owns the HTTP server; what requests mean is AdminAPI's.
//
// On an address that others can reach it does not start without a token, and there is no option that changes this.

package import MantaHTTP
package import MantaLoop
package import MantaModel

/// How the admin API is served.
package struct AdminConfiguration: Sendable {
    /// An address of this machine. Loopback needs no token.
    package var host: String
    /// 0 lets the system choose.
    package var port: Int
    /// What callers must present as `Authorization: Bearer`.
    package var token: String?
    /// Further names under which a loopback server may be reached, such as that of an SSH tunnel, with their ports.
    package var names: [String]
    /// The folder with the dashboard's files.
    package var webFolder: String?
    package var version: String

    package init(host: String = "127.0.0.1", port: Int = 8265, token: String? = nil, names: [String] = [], webFolder: String? = nil, version: String = "0.1.0") {
        (self.host, self.port, self.token, self.names, self.webFolder, self.version) = (host, port, token, names, webFolder, version)
    }

    /// Whether only this machine can connect.
    package var isLoopback: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") && host.split(separator: ".").count == 4 }

    /// The shortest token that is accepted, in bytes.
    package static let shortestToken = 16

    /// Throws `invalidArgument` for a token that is too weak, or missing where one is needed.
    package func check() throws(MantaError) {
        if let token, token.utf8.count < Self.shortestToken || !token.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) {
            throw MantaError(.invalidArgument, "the admin token must have at least \(Self.shortestToken) printable characters without spaces; make one with: openssl rand -hex 32")
        }
        guard isLoopback || token != nil else {
            throw MantaError(
                .invalidArgument, "the admin API does not listen on \(host), which other machines can reach, without a token; set MANTA_ADMIN_TOKEN, or listen on 127.0.0.1")
        }
    }
}

package final class AdminServer: Sendable {
    private let server: HTTPServer
    private let loop: EventLoop
    /// The port it listens on, also if port 0 was asked for.
    package var port: Int { server.port }
    /// The dashboard's address.
    package let url: String

    /// Listens from the loop's next turn on until `stop`. Call it on the loop's thread, or before the loop runs.
    package init(
        configuration: AdminConfiguration, source: any AdminSource, loop: EventLoop, limits: HTTPLimits = AdminServer.limits, clock: @escaping @Sendable () -> WallTime
    ) throws(MantaError) {
        try configuration.check()
        self.loop = loop
        let api = AdminAPI(
            source: source, token: configuration.token, files: WebFiles(folder: configuration.webFolder), version: configuration.version, clock: clock)
        server = try HTTPServer(
            loop: loop, address: configuration.host, port: configuration.port, limits: limits, handler: AsyncHTTPHandler { await api.answer($0) })
        let shown = configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host
        url = "http://\(shown):\(server.port)/"
        // Names are what keeps other sites' pages out where there is no token. With a token, a page that has none learns nothing.
        if configuration.isLoopback {
            let ours = ["localhost:\(server.port)", "127.0.0.1:\(server.port)", "[::1]:\(server.port)", "\(shown):\(server.port)"]
            server.allowedHosts = ours + configuration.names
        }
    }

    /// Few connections and small bodies in, but a listener may have much to catch up with.
    package static let limits: HTTPLimits = {
        var limits = HTTPLimits.admin
        limits.streamBytes = 4 << 20
        return limits
    }()

    /// Stops listening and ends all connections. On the loop's thread.
    package func stop() { server.stop() }
}
