// Backends: what the process tests deploy: one that answers as it is told, one that throws, one that dies.

import Glibc
import Manta
import MantaServe

/// Answers a text, after a time if it is told so.
@Deployable struct Answer: Backend {
    struct Settings: Decodable {
        var text: String
        var seconds: Double?
    }
    private let settings: Settings

    init(_ context: BackendContext) async throws { settings = try context.configuration() }

    func handle(_ request: Request) async throws -> Response {
        if let seconds = settings.seconds { try await Task.sleep(for: .seconds(seconds)) }  // the work itself
        return .text(settings.text)
    }
}

@Deployable struct Thrower: Backend {
    struct Refusal: Error { var text = "the thrower throws" }
    init(_ context: BackendContext) async throws {}
    func handle(_ request: Request) async throws -> Response { throw Refusal() }
}

@Deployable struct Dier: Backend {
    init(_ context: BackendContext) async throws {}
    func handle(_ request: Request) async throws -> Response { exit(3) }
}
