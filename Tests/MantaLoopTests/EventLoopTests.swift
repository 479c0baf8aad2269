// EventLoopTests: order, wake-ups, timers, descriptors and isolation of the event loop.

import Glibc
import MantaLoop
import MantaModel
import MantaTestKit
import Testing

@Suite struct EventLoopTests {
    @Test func workOfOneThreadRunsInOrder() async throws {
        let running = RunningLoop()
        let log = Log<Int>()
        for number in 0..<10_000 { running.loop.execute { log.append(number) } }
        try await eventually { log.count == 10_000 }
        #expect(log.values == Array(0..<10_000))
    }

    @Test func manyThreadsWakeTheLoop() async throws {
        let running = RunningLoop()
        let count = Log<Void>()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<5_000 {
                        await running.loop.perform { count.append(()) }
                    }
                }
            }
        }
        #expect(count.count == 40_000)
    }

    @Test func performReturnsAndThrows() async throws {
        let running = RunningLoop("named")
        let name = await running.loop.perform { EventLoop.current?.name }
        #expect(name == "named")
        await #expect(throws: MantaError.self) {
            try await running.loop.perform { () throws(MantaError) -> Int in throw MantaError(.conflict, "no") }
        }
        #expect(EventLoop.current == nil)
    }

    @Test func laterRunsAfterTheCall() async throws {
        let running = RunningLoop()
        let log = Log<String>()
        await running.loop.perform { [loop = running.loop] in
            loop.later { log.append("later") }
            log.append("call")
        }
        try await eventually { log.count == 2 }
        #expect(log.values == ["call", "later"])
    }

    @Test func timersFireInTheOrderOfTheirDeadlines() async throws {
        let running = RunningLoop()
        let log = Log<Int>()
        await running.loop.perform { [loop = running.loop] in
            loop.schedule(after: .milliseconds(30)) { log.append(3) }
            loop.schedule(after: .milliseconds(10)) { log.append(1) }
            let cancelled = loop.schedule(after: .milliseconds(15)) { log.append(99) }
            loop.schedule(after: .milliseconds(20)) { log.append(2) }
            loop.schedule(after: .milliseconds(20)) { log.append(22) }
            loop.cancel(cancelled)
        }
        try await eventually { log.count == 4 }
        #expect(log.values == [1, 2, 22, 3])
    }

    @Test func timersAreNeverEarlyAndRepeatUntilCancelled() async throws {
        let running = RunningLoop()
        let fired = Log<Instant>()
        let started = EventLoop.clock()
        await running.loop.perform { [loop = running.loop] in
            nonisolated(unsafe) var timer: TimerID?
            timer = loop.schedule(after: .milliseconds(5), repeating: .milliseconds(5)) {
                fired.append(EventLoop.clock())
                if fired.count == 4, let timer { loop.cancel(timer) }
            }
        }
        try await eventually { fired.count == 4 }
        for (index, instant) in fired.values.enumerated() { #expect(instant - started >= .milliseconds(5 * (index + 1))) }
        let after = await running.loop.perform { fired.count }
        #expect(after == 4)
    }

    @Test func cancelledTimersLeaveTheHeap() {
        var heap = DeadlineHeap()
        for number in 0..<10_000 { heap.insert(UInt64(number), at: Instant(nanoseconds: Int64(number * 7919 % 10_007))) }
        heap.trim(live: 100) { $0 < 100 }
        #expect(heap.count == 100)
        var last = Instant.zero
        while let (_, due) = heap.first {
            #expect(due >= last)
            last = due
            heap.removeFirst()
        }
    }

    @Test func descriptorsAreReportedUntilRemoved() async throws {
        let running = RunningLoop()
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        let (input, output) = (ends[0], ends[1])
        defer { for end in [input, output] { close(end) } }
        let log = Log<UInt8>()
        let id = try await running.loop.perform { [loop = running.loop] in
            try loop.addDescriptor(input, .read) { events in
                var byte: UInt8 = 0
                if events.contains(.readable), read(input, &byte, 1) == 1 { log.append(byte) }
            }
        }
        for byte in [UInt8](1...3) { withUnsafePointer(to: byte) { _ = write(output, $0, 1) } }
        try await eventually { log.values == [1, 2, 3] }
        await running.loop.perform { [loop = running.loop] in loop.removeDescriptor(id) }
        withUnsafePointer(to: UInt8(4)) { _ = write(output, $0, 1) }
        await running.loop.perform {}
        await running.loop.perform {}
        #expect(log.count == 3)
    }

    @Test func sourcesAreFlushedBeforeTheLoopSleeps() async throws {
        final class Source: LoopSource, @unchecked Sendable {  // used on the loop only
            let log: Log<String>
            var wanted = 3
            init(_ log: Log<String>) { self.log = log }
            func prepare() -> Bool { wanted > 0 }
            func turn() { if wanted > 0 { wanted -= 1; log.append("turn") } }
            func flush() { if wanted > 0 { log.append("flush") } }
        }
        let running = RunningLoop()
        let log = Log<String>()
        let source = Source(log)
        await running.loop.perform { [loop = running.loop] in loop.add(source) }
        try await eventually { log.count == 6 }
        #expect(log.values == ["flush", "turn", "flush", "turn", "flush", "turn"])
    }

    @Test func whatWasHandedOverBeforeTheEndStillRuns() async throws {
        let loop = EventLoop(name: "ending")
        let count = Log<Void>()
        for _ in 0..<1_000 { loop.execute { count.append(()) } }
        loop.execute { loop.stop() }
        for _ in 0..<1_000 { loop.execute { count.append(()) } }
        loop.start()
        loop.join()
        #expect(count.count == 2_000)
    }
}

@Suite struct ExecutorTests {
    actor Counter {
        let loop: EventLoop
        var value = 0
        init(_ loop: EventLoop) { self.loop = loop }
        nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
        func add() -> Bool {
            value += 1
            return EventLoop.current === loop
        }
        func addThrough(_ other: Counter) async -> Bool {
            let first = await other.add()
            return first && EventLoop.current === loop
        }
    }

    @Test func actorsRunOnTheirLoop() async {
        let running = RunningLoop()
        let (first, second) = (Counter(running.loop), Counter(running.loop))
        for _ in 0..<1_000 {
            #expect(await first.addThrough(second))
            #expect(await first.add())
        }
        #expect(await second.value == 1_000)
    }

    @Test func anActorIsReachedSynchronouslyFromItsLoop() async {
        let running = RunningLoop()
        let counter = Counter(running.loop)
        let value = await running.loop.perform { counter.assumeIsolated { $0.value += 1; return $0.value } }
        #expect(value == 1)
    }

    @Test func tasksThatPreferTheLoopRunOnIt() async {
        let running = RunningLoop()
        let loop = running.loop
        let task = Task(executorPreference: loop) {
            let before = EventLoop.current === loop
            await Task.yield()
            return before && EventLoop.current === loop
        }
        #expect(await task.value)
    }
}
