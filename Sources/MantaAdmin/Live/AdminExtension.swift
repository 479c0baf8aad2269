// AdminExtension: puts the admin API and the dashboard into the head's process, in every program that links this module.
//
// The server listens before the head says that it is ready, so a taken port is an error of the head's start. Its address is written to the file
// `dashboard` in the head's folder, for those who started it with port 0.

import Glibc
import Manta
import MantaLoop
import MantaModel
import MantaWorker
import Synchronization

package enum AdminExtension: ProcessExtension {
    /// What runs in this process; it ends with it.
    private static let running = Mutex<(server: AdminServer, source: LiveSource, loop: EventLoop)?>(nil)

    package static var role: String { "head" }

    package static func start(endpoint: String) throws {
        let port = ProcessEnvironment[Variable.adminPort] ?? "\(Folders.defaultAdminPort)"
        guard let number = UInt16(port) else { throw MantaError(.invalidArgument, "\(Variable.adminPort) is \"\(port)\"; expected a port from 0 to 65535") }
        try start(headEndpoint: endpoint, port: Int(number))
    }

    /// Serves the cluster of a head. The environment gives the address (`MANTA_ADMIN_HOST`), the token (`MANTA_ADMIN_TOKEN`) and the folder of pages.
    package static func start(headEndpoint: String, port: Int) throws {
        let folder = ProcessEnvironment[Variable.directory] ?? Folders.durable(port: headPort(headEndpoint))
        var configuration = AdminConfiguration(host: ProcessEnvironment["MANTA_ADMIN_HOST"] ?? "127.0.0.1", port: port, webFolder: WebFiles.find())
        configuration.names = (ProcessEnvironment["MANTA_ADMIN_NAMES"] ?? "").split(separator: ",").map(String.init)
        configuration.token = ProcessEnvironment["MANTA_ADMIN_TOKEN"]
        if configuration.token == nil, !configuration.isLoopback { configuration.token = try AdminToken.kept(in: folder) }
        let (source, loop) = (LiveSource(), EventLoop(name: "admin"))
        let server = try AdminServer(configuration: configuration, source: source, loop: loop, clock: { .now })
        loop.start()
        running.withLock { $0 = (server, source, loop) }
        publish(server.url, in: folder)
        Task { await source.connect(to: headEndpoint) }
    }

    /// Where the dashboard of the head with this folder is; nil before it started.
    package static func publishedURL(in folder: String) -> String? {
        guard let file = fopen("\(folder)/dashboard", "re") else { return nil }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = fread(&buffer, 1, buffer.count, file)
        return String(decoding: buffer[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }

    // A help for people: that it cannot be written is no reason not to serve.
    private static func publish(_ url: String, in folder: String) {
        guard let file = fopen("\(folder)/dashboard", "we") else { return }
        fputs("\(url)\n", file)
        fclose(file)
    }
}

@section("manta_records") @used
private let adminRecord: _Record = (3, 1, { unsafe _register($0, extension: AdminExtension.self) }, 0)

private func headPort(_ endpoint: String) -> UInt16 { port(of: endpoint) ?? Folders.defaultHeadPort }
