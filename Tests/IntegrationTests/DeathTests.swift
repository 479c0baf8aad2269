// Deaths on a real cluster: what the caller and the list of errors are told of them.

import Glibc
import Manta
import MantaModel
import MantaTestKit
import MantaWire
import MantaWorker
import Testing

@Remote func complainAndAbort(_ text: String) -> Int {
    _ = "first line\n\(text)\n".withCString { write(2, $0, strlen($0)) }
    abort()
}
@Remote func leave(with code: Int32) -> Int { exit(code) }
@Remote func triple(_ fails: Bool) throws -> (Int, Int, Int) {
    if fails { throw Trouble.broken(code: 3) }
    return (1, 2, 3)
}

/// Counts the tries that got to the file, and ends the process in the first ones.
@Remote func crashFirst(_ times: Int, counting path: String) -> Int {
    let tries = addLine(to: path)
    if tries <= times { abort() }
    return tries
}

private func addLine(to path: String) -> Int {
    guard let file = fopen(path, "a+") else { return -1 }
    defer { fclose(file) }
    fputs("x", file)
    fflush(file)
    return Int(ftell(file))
}

@RemoteActor(maxConcurrency: 10) actor Sleeper {
    init() {}
    func hang() async throws -> Int {
        try await Task.sleep(for: .seconds(3600))  // until its process ends
        return 0
    }
    func fail() throws -> Int { throw Trouble.broken(code: 1) }
    func process() -> Int32 { getpid() }
}

extension SharedClusterTests {
    @Suite(.serialized) struct DeathTests {
        init() async throws { try await SharedCluster.get() }

        private func errors() async throws -> [ErrorRow] {
            let runtime = try #require(try await SharedCluster.get().runtime)
            return try await runtime.head(QueryState(tables: [.errors], limit: 1000)).errors
        }

        @Test func FAIL_001_everyResultOfAFailedTaskThrowsItsError() async throws {
            let (a, b, c) = triple.remote(true)
            for reference in [a, b, c] { await #expect(throws: Trouble.broken(code: 3)) { try await reference.value } }
        }

        @Test func FAIL_002_getThrowsAtTheFirstFailureItMeets() async throws {
            let sleeper = Sleeper.remote()
            let (failing, endless) = (sleeper.fail(), sleeper.hang())
            await #expect(throws: Trouble.broken(code: 1)) { try await Manta.get([failing, endless]) }
            let pid = try await sleeper.process().value
            kill(pid, SIGKILL)
            let error = await #expect(throws: MantaError.self) { try await Manta.get([endless, sleeper.hang()]) }
            #expect(error?.code == .actorDied)
            #expect(error?.message.contains("signal 9 (SIGKILL") == true)
        }

        @Test func FAIL_004_aCrashedWorkerIsToldWithItsSignalItsLastWordsAndItsMemory() async throws {
            let words = "last words \(UInt64.random(in: 0 ... .max))"
            let error = await #expect(throws: MantaError.self) { try await complainAndAbort.options(retries: 0).remote(words).value }
            #expect(error?.code == .workerCrashed)
            for part in ["signal 6 (SIGABRT", words, "peak memory", "complainAndAbort", " s, "] { #expect(error?.message.contains(part) == true, "\(error?.message ?? "")") }
            try await eventually("the death in the list of errors", within: .seconds(30)) {
                try await errors().contains { $0.code == "workerCrashed" && $0.source == "worker" && $0.message.contains(words) && $0.task != nil && $0.job != nil }
            }
        }

        @Test func FAIL_004_anExitCodeIsTold() async throws {
            let error = await #expect(throws: MantaError.self) { try await leave.options(retries: 0).remote(with: 7).value }
            #expect(error?.code == .workerCrashed)
            #expect(error?.message.contains("exited with code 7") == true)
        }

        @Test func FAIL_005_everyCallOfAKilledActorThrows() async throws {
            let sleeper = Sleeper.remote()
            let pid = try await sleeper.process().value
            let before = (0..<10).map { _ in sleeper.hang() }
            kill(pid, SIGKILL)
            for call in before { await #expect(throws: MantaError.self) { try await call.value } }
            for call in (0..<10).map({ _ in sleeper.hang() }) { await #expect(throws: MantaError.self) { try await call.value } }
        }

        @Test func FAIL_006_aKilledIdleActorThrows() async throws {
            let counter = Counter.remote()
            kill(try await counter.process().value, SIGKILL)
            let error = await #expect(throws: MantaError.self) {
                // The first call may reach the process before its death is known.
                while true { _ = try await counter.increment().value }
            }
            #expect(error?.code == .actorDied)
        }

        @Test func FAIL_007_aCrashIsRetriedAsOftenAsIsAllowed() async throws {
            let folder = TemporaryDirectory()
            #expect(try await crashFirst.options(retries: 1).remote(1, counting: "\(folder.path)/once").value == 2)
            let error = await #expect(throws: MantaError.self) { try await crashFirst.options(retries: 0).remote(1, counting: "\(folder.path)/never").value }
            #expect(error?.code == .workerCrashed)
        }

        @Test func FAIL_029_endsOnPurposeLeaveNoError() async throws {
            var killed: Set<ActorID> = []
            for _ in 0..<3 {
                let counter = Counter.remote()
                #expect(try await counter.increment().value == 1)
                try await Manta.kill(counter)
                killed.insert(Manta.id(of: counter))
            }
            let crashed = Counter.remote()
            await #expect(throws: MantaError.self) { try await crashed.end().value }
            // The crash is listed last: what the kills had to say would be there.
            try await eventually("the crash in the list of errors", within: .seconds(30)) { try await errors().contains { $0.actor == Manta.id(of: crashed) } }
            #expect(try await errors().filter { $0.actor.map(killed.contains) == true }.isEmpty)
        }
    }
}
