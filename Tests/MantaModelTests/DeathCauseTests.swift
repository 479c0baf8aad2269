// The words for the ends of processes.

import MantaModel
import Testing

@Suite struct DeathCauseTests {
    private let facts = DeathCause.Facts(pid: 7, uptimeMilliseconds: 1_540, peakMemory: 12 << 20, function: "M.f()", lastErrors: ["one", "two"])

    @Test func aSignalIsNamed() {
        var facts = facts
        facts.signal = 6
        let cause = DeathCause.ended(facts)
        #expect(cause.kind == .signaled)
        #expect(
            cause.detail
                == "worker 7, which ran M.f(), was ended by signal 6 (SIGABRT, aborted) after 1.5 s, peak memory 12.0 MiB; the last lines of its standard error: one | two")
        #expect(cause.facts == facts)
    }

    @Test func anExitCodeIsTold() {
        let cause = DeathCause.ended(DeathCause.Facts(pid: 7, exitCode: 3, uptimeMilliseconds: 20))
        #expect(cause.kind == .exited)
        #expect(cause.detail == "worker 7 exited with code 3 after 0.0 s")
    }

    @Test func theKernelsMemoryLimitIsTold() {
        var facts = facts
        facts.signal = 9
        let cause = DeathCause.ended(facts, atMemoryLimit: 512 << 20, outOfMemory: true)
        #expect(cause.kind == .outOfMemory)
        #expect(cause.detail.contains("out-of-memory killer struck at the memory limit of 512.0 MiB"))
    }

    @Test(arguments: [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1_536 << 10, "1.5 MiB"), (5 << 40, "5.0 TiB")]) func bytesAreReadable(_ count: Int64, _ text: String) {
        #expect(DeathCause.byteText(count) == text)
    }
}
