// Echo: the smallest backend: it answers what it is sent. Run it alone and it serves on a cluster of its own until it is interrupted.

import Manta
import MantaAdmin
import MantaServe

/// Answers a request's body.
@Deployable struct EchoBackend: Backend {
    init(_ context: BackendContext) async throws {}

    func handle(_ request: Request) async throws -> Response {
        Response(request.body, contentType: request.header("Content-Type") ?? "application/octet-stream")
    }
}

@main struct Echo {
    static func main() async throws {
        let manta = try await Manta.start()
        let serve = try await Serve.connect()
        try await serve.createBackend("echo", EchoBackend.self)
        try await serve.createEndpoint("echo", route: "/echo", methods: [.get, .post, .put], backend: "echo")
        print("POST \(manta.http ?? "http://127.0.0.1:8000")/echo")
        try await Task.sleep(for: .seconds(1_000_000_000))
    }
}
