// Quickstart: the program of the README: a task, an actor and an endpoint. README.md shows everything below this statement, word for word.

import Manta
import MantaServe

@Remote func square(_ x: Int) -> Int { x * x }

@RemoteActor actor Counter {
    var count = 0
    init() {}
    func add(_ n: Int) -> Int { count += n; return count }
}

struct Squares: Backend {
    init(_ context: BackendContext) async throws {}
    func handle(_ request: Request) async throws -> Response { .text("\(try await square.remote(Int(request.text) ?? 0).value)\n") }
}

@main struct Quickstart {
    static func main() async throws {
        let manta = try await Manta.start()                         // a cluster of this program; it ends with it
        let counter = Counter.remote()                              // an actor in a process of its own
        let sums = (1...10).map { counter.add(square.remote($0)) }  // ten tasks, their results on to the actor, nothing awaited
        print(try await sums[9].value)                              // 385
        let serve = try await Serve.connect()
        try await serve.createBackend("squares", Squares.self)
        try await serve.createEndpoint("square", route: "/square", methods: [.post], backend: "squares")
        print("curl -d 12 \(manta.http ?? "")/square")              // 144
        while true { try await Task.sleep(for: .seconds(3600)) }
    }
}
