// ClusterOptions: which cluster a command talks to.

import ArgumentParser
import Manta
import MantaModel
import MantaWire
import MantaWorker

struct ClusterOptions: ParsableArguments {
    @Option(help: "The cluster's head, as tcp://host:port; else MANTA_ADDRESS, else the cluster last started here.") var address: String?

    /// How long the head may take to answer.
    static let patience = Duration.seconds(5)

    /// Runs `body` with a connection that is no job, and ends it.
    func withCluster<Result>(_ body: (Session, Runtime) async throws -> Result) async throws -> Result {
        try await Self.withCluster(at: try endpoint(), body)
    }

    static func withCluster<Result>(at endpoint: String, _ body: (Session, Runtime) async throws -> Result) async throws -> Result {
        let session = try await Session.attach(endpoint, role: .tool)
        guard let runtime = session.runtime else { throw CommandFailure("the connection to \(session.address) has ended") }
        do {
            let result = try await body(session, runtime)
            await session.stop()
            return result
        } catch {
            let isSilence = (error as? MantaError).map { $0.code == .timeout || $0.code == .unavailable } ?? false
            let (address, absence) = (session.address, isSilence ? await runtime.absenceOfCluster(after: patience) : nil)
            await session.stop()
            guard isSilence else { throw error }
            throw absence ?? CommandFailure("the head at \(address) does not answer any more (waited \(patience)); see its log and whether its machine is overloaded, and try again") as any Error
        }
    }

    func endpoint() throws -> String {
        if let address { return try headEndpoint(address) }
        if let address = environment(Variable.address) { return try headEndpoint(address) }
        guard let address = ClusterRecord.current else {
            throw CommandFailure("no cluster is known; start one with \"manta start --head\", or give --address or MANTA_ADDRESS")
        }
        return address
    }
}
