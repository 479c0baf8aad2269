// BackendInspector: an actor of a backend's program that says whether the program has the backend's type, so that a misspelt type or a program that
// does not run is known before anything is changed.
//
// It ends as soon as it has answered; should whoever asked die before, by itself after a while.

import Glibc
import Manta
import MantaModel

@RemoteActor(lifetime: .detached, cpus: 0) actor BackendInspector {
    /// An answer takes the start of a process. Later, replicas will tell what is wrong.
    private static let patience: Duration = .seconds(10)
    private static let lifetime: Duration = .seconds(60)

    init() {
        Task {
            try? await Task.sleep(for: Self.lifetime)
            exit(0)
        }
    }

    func find(_ description: BackendDescription) throws { _ = try BackendTypes.type(of: description) }

    /// Throws what is wrong with the first backend that cannot run.
    static func inspect(_ descriptions: [BackendDescription]) async throws {
        // One process for all backends of a program.
        for program in Set(descriptions.map(\.program)).sorted(by: { $0.path < $1.path }) {
            let inspector = options(namespace: serveNamespace, program: program).remote()
            do {
                for description in descriptions where description.program == program { try await ask(inspector, about: description) }
                try? await Manta.kill(inspector)
            } catch {
                try? await Manta.kill(inspector)
                throw error
            }
        }
    }

    private static func ask(_ inspector: Handle, about description: BackendDescription) async throws {
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await inspector.find(description).value }
                group.addTask { try await Task.sleep(for: patience) }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch let error as MantaError {
            let reason = error.code == .unknownFunction || error.code == .invalidArgument ? error.message : "its program cannot run it: \(error.message)"
            throw MantaError(error.code, "backend \"\(description.name)\" (program \(description.program.path)): \(reason)")
        }
    }
}
