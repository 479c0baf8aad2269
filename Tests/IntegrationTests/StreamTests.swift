// Streams of results: order, ends, failures, cancellation, back-pressure, and what is left when nobody consumes.

import Glibc
import Manta
import MantaTestKit
import Testing

@Remote func numbers(_ count: Int) -> ResultStream<Int> {
    ResultStream { yield in
        for number in 0..<count { try await yield(number) }
    }
}

/// Notes each item before it is delivered; at most `pending` wait for the consumer.
@Remote func notedNumbers(_ board: Board.Handle, _ count: Int, pending: Int) -> ResultStream<Int> {
    ResultStream(maxPending: pending) { yield in
        for number in 0..<count {
            board.note("made")
            try await yield(number)
        }
        board.note("ended")
    }
}

/// Fails, or ends its process, at item 3 of 5 until it was tried `tries` times.
@Remote func flakyNumbers(_ board: Board.Handle, _ name: String, tries: Int, crashing: Bool) -> ResultStream<Int> {
    ResultStream { yield in
        let attempt = try await board.note(name).value
        for number in 0..<5 {
            if number == 3, attempt < tries {
                if crashing {
                    // What was delivered is on its way.
                    _ = try await board.count(name).value
                    abort()
                }
                throw Trouble.broken(code: attempt)
            }
            try await yield(number)
        }
    }
}

@Remote func endlessNumbers(_ board: Board.Handle) -> ResultStream<Int> {
    ResultStream(maxPending: 1) { yield in
        var number = 0
        do {
            while true {
                try await yield(number)
                number += 1
            }
        } catch {
            await Task.detached { _ = board.note("endless ended") }.value
            throw error
        }
    }
}

@Remote func texts(_ count: Int, bytes: Int) -> ResultStream<String> {
    ResultStream(maxPending: 2) { yield in
        for _ in 0..<count { try await yield(String(repeating: "x", count: bytes)) }
    }
}

@Remote func sumOfStream(_ count: Int) async throws -> Int {
    var sum = 0
    for try await value in numbers.remote(count).values { sum += value }
    return sum
}

/// Leaves four items of all its streams together.
@RemoteActor(maxConcurrency: 1, maxPendingItems: 4) actor Rationed {
    private let board: Board.Handle
    init(_ board: Board.Handle) { self.board = board }
    func numbers(_ count: Int) -> ResultStream<Int> {
        ResultStream { [board] yield in
            board.note("began")
            for number in 0..<count {
                try await yield(number)
                board.note("made")
            }
            board.note("ended")
        }
    }
    func answer() -> Int { 42 }
}

@RemoteActor actor Source {
    private var made = 0
    func numbers(_ count: Int) -> ResultStream<Int> {
        ResultStream(maxPending: 1) { yield in
            for number in 0..<count {
                self.made += 1
                try await yield(number)
            }
        }
    }
    func total() -> Int { made }
    func process() -> Int32 { getpid() }
    /// Makes so many at once, then nothing until it is cancelled.
    func begin(_ count: Int) -> ResultStream<Int> {
        ResultStream(maxPending: count + 1) { yield in
            for number in 0..<count {
                self.made += 1
                try await yield(number)
            }
            try await Task.sleep(for: .seconds(600))  // until it is cancelled
        }
    }
}

/// Takes some items of a stream, and keeps the rest waiting.
@RemoteActor actor Taker {
    private var iterator: ReferenceStream<Int>.AsyncIterator?
    init() {}
    func take(_ count: Int, from source: Source.Handle) async throws -> Int32 {
        var iterator = source.numbers(1_000).makeAsyncIterator()
        for _ in 0..<count { _ = try await iterator.next()?.value }
        self.iterator = iterator
        return getpid()
    }
}

extension SharedClusterTests {
@Suite(.serialized) struct StreamTests {
    let board = Board.remote()

    private func collect<Value: Decodable>(_ stream: ReferenceStream<Value>) async throws -> [Value] {
        var values: [Value] = []
        for try await reference in stream { values.append(try await reference.value) }
        return values
    }

    @Test(arguments: 2...4) func OBJ_039_aFixedCountOfReferencesIsToBeHadAtOnce(made: Int) async throws {
        let stream = numbers.remote(made)
        let references = stream.references(3)
        #expect(references.count == 3)
        let first = try await Manta.get(references.prefix(2))
        #expect(first == [0, 1])
        guard made < 3 else {
            let third = try await references[2].value
            #expect(third == 2)
            return
        }
        let error = await #expect(throws: MantaError.self) { try await Manta.get(references) }
        #expect(error?.code == .malformed && error?.message.contains("after 2 items") == true)
        await #expect(throws: MantaError.self) { try await stream.references(1)[0].value }
    }

    @Test func CORE_018_fiveItemsComeInOrderThenTheEnd() async throws {
        let stream = numbers.remote(5)
        #expect(try await collect(stream) == [0, 1, 2, 3, 4])
        var iterator = stream.makeAsyncIterator()
        for _ in 0..<3 { #expect(try await iterator.next() == nil) }
        try await stream.completed.value
        #expect(try await collect(numbers.remote(0)).isEmpty)
        #expect(try await collect(numbers.remote(1_000)) == Array(0..<1_000))
    }

    @Test func CORE_020_aKilledActorFailsOneReferenceThenTheStreamHasEnded() async throws {
        let source = Source.remote()
        var iterator = source.numbers(100).makeAsyncIterator()
        for number in 0..<2 { #expect(try await iterator.next()?.value == number) }
        try await Manta.kill(source)
        var failure: MantaError?
        while let reference = try await iterator.next() {
            do { _ = try await reference.value } catch { failure = error as? MantaError }
        }
        #expect(failure?.code == .actorDied)
        #expect(failure?.message.contains("killed") == true, "\(String(describing: failure))")
        for _ in 0..<10 { #expect(try await iterator.next() == nil) }
    }

    @Test(arguments: [false, true]) func CORE_021_itemsOfARetriedStreamComeOnce(crashing: Bool) async throws {
        let stream = flakyNumbers.options(retries: 10, retryOn: .anyError).remote(board, "retried \(crashing)", tries: 3, crashing: crashing)
        #expect(try await collect(stream) == [0, 1, 2, 3, 4])
        #expect(try await board.count("retried \(crashing)").value == 3)
    }

    @Test func aStreamThatFailsDeliversWhatCameBeforeThenItsError() async throws {
        var iterator = flakyNumbers.remote(board, "failing", tries: 9, crashing: false).makeAsyncIterator()
        for number in 0..<3 { #expect(try await iterator.next()?.value == number) }
        let last = try #require(try await iterator.next())
        await #expect(throws: Trouble.broken(code: 1)) { try await last.value }
        #expect(try await iterator.next() == nil)
    }

    @Test func CORE_022_aCancelledStreamFailsThenEnds() async throws {
        let stream = endlessNumbers.remote(board)
        var iterator = stream.makeAsyncIterator()
        #expect(try await iterator.next()?.value == 0)
        stream.cancel()
        let last = try #require(try await iterator.next())
        await expectCode(.cancelled, of: last)
        #expect(try await iterator.next() == nil)
        try await noted("endless ended", on: board)
    }

    @Test func aProducerWaitsForItsConsumer() async throws {
        var iterator = notedNumbers.remote(board, 20, pending: 3).makeAsyncIterator()
        #expect(try await iterator.next()?.value == 0)
        try await noted("made", on: board, times: 4)
        #expect(try await echoInt.options(cpus: 2).remote(1).value == 1, "a producer that waits holds no CPU")
        #expect(try await board.count("made").value <= 6)
        var rest: [Int] = []
        while let reference = try await iterator.next() { rest.append(try await reference.value) }
        #expect(rest == Array(1..<20))
    }

    @Test func CORE_026_aDroppedStreamLetsItsProducerRunToTheEnd() async throws {
        do {
            var iterator = notedNumbers.remote(board, 10, pending: 1).makeAsyncIterator()
            for number in 0..<6 { #expect(try await iterator.next()?.value == number) }
        }
        try await noted("ended", on: board)
        #expect(try await board.count("made").value == 10)
    }

    @Test func CORE_023_aDroppedItemIsGoneWhileTheStreamGoesOn() async throws {
        var iterator = texts.remote(50, bytes: 200_000).makeAsyncIterator()
        var first: ObjectReference<String>? = try await iterator.next()
        let id = try #require(first).id
        #expect(try await first?.value.utf8.count == 200_000)
        first = nil
        var count = 1
        while let reference = try await iterator.next() {
            #expect(reference.id != id)
            count += 1
        }
        #expect(count == 50)
    }

    @Test func aTaskConsumesAStream() async throws {
        #expect(try await sumOfStream.remote(200).value == 19_900)
    }

    @Test func anActorsStreamSharesItsState() async throws {
        let source = Source.remote()
        #expect(try await collect(source.numbers(3)) == [0, 1, 2])
        #expect(try await collect(source.numbers(2)) == [0, 1])
        #expect(try await source.total().value == 5)
    }

    @Test func CORE_055_theStreamsOfAnActorShareItsLimitAlsoWhenTheirCallsHaveEnded() async throws { try await shareALimit(board) }

    private func shareALimit(_ board: Board.Handle) async throws {
        let actor = Rationed.remote(board)
        var first = actor.numbers(2).makeAsyncIterator()
        #expect(try await actor.answer().value == 42, "a call that has ended holds up no other")
        var second: ReferenceStream<Int>.Iterator? = actor.numbers(2).makeAsyncIterator()
        #expect(try await actor.answer().value == 42)
        var third = actor.numbers(4).makeAsyncIterator()
        let answer = actor.answer()
        try await noted("began", on: board, times: 3)
        #expect(try await board.count("made").value == 4)
        #expect(!answer.isReady)
        #expect(try await first.next()?.value == 0)
        try await noted("made", on: board, times: 5)
        #expect(try await board.count("made").value == 5, "one was taken, one was made")
        #expect(try await third.next()?.value == 0)
        try await noted("made", on: board, times: 6)
        // What nobody will take counts no more.
        second = nil
        try await noted("ended", on: board, times: 3)
        #expect(try await answer.value == 42)
        #expect(try await first.next()?.value == 1)
        for number in 1..<4 { #expect(try await third.next()?.value == number) }
        #expect(try await third.next() == nil)
        #expect(try await first.next() == nil && second == nil)
    }

    @Test func CORE_054_anActorMustBeAllowedToLeaveAnItem() async throws {
        await expectCode(.invalidArgument, of: Rationed.options(maxPendingItems: 0).remote(board).answer())
    }

    @Test func CORE_054_aStreamMustBeAllowedToHoldAnItem() async throws {
        var iterator = notedNumbers.remote(board, 1, pending: 0).makeAsyncIterator()
        let only = try #require(try await iterator.next())
        await expectCode(.invalidArgument, of: only)
        #expect(try await iterator.next() == nil)
    }

    @Test func FAIL_022_aStreamWhoseCallerDiedEndsAndTheActorGoesOn() async throws {
        // One call at a time: another one runs only when the stream has ended.
        let source = Source.options(maxConcurrency: 1).remote()
        let taker = Taker.remote()
        let caller = try await taker.take(2, from: source).value
        let next = source.total()
        #expect(!next.isReady, "the stream waits for its consumer")
        kill(caller, SIGKILL)
        let made = try await next.value
        #expect(made >= 2 && made < 10, "it ended where it was")
        #expect(try await source.process().value != caller)
    }

    @Test func FAIL_035_theItemAfterACancellationIsTheCancellation() async throws {
        let source = Source.options(maxConcurrency: 10).remote()
        let stream = source.begin(5)
        var iterator = stream.makeAsyncIterator()
        #expect(try await iterator.next()?.value == 0)
        try await eventually("every item", within: .seconds(30)) { try await source.total().value == 5 }
        stream.cancel()
        let last = try #require(try await iterator.next())
        await expectCode(.cancelled, of: last)
        for _ in 0..<3 { #expect(try await iterator.next() == nil) }
        #expect(try await source.total().value == 5, "the actor goes on")
    }

    @Test func aStreamThatCannotBeSubmittedSaysWhy() async throws {
        var iterator = numbers.options(cpus: -1).remote(3).makeAsyncIterator()
        let only = try #require(try await iterator.next())
        await expectCode(.invalidArgument, of: only)
        #expect(try await iterator.next() == nil)
    }

    @Test func streamsRunInTheSerialModeToo() async throws {
        let values = try await Manta.serially { try await collect(numbers.remote(4)) }
        #expect(values == [0, 1, 2, 3])
        try await Manta.serially { try await shareALimit(Board.remote()) }
        try await Manta.serially {
            let board = Board.remote()
            var iterator = notedNumbers.remote(board, 5, pending: 2).makeAsyncIterator()
            try await noted("made", on: board, times: 3)
            for _ in 0..<100 { #expect(try await board.count("made").value == 3, "the consumer is behind") }
            for number in 0..<5 { #expect(try await iterator.next()?.value == number) }
            try await noted("ended", on: board, times: 1)
            #expect(try await iterator.next() == nil)
        }
    }
}
}
