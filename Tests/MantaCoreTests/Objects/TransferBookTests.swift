// Objects that come in parts: from several sources at once, again after a break, within bounds; and random trouble in which every transfer ends once.

import MantaCore
import MantaModel
import Testing

private struct Bench {
    var book = TransferBook()
    /// What was asked for and has not been answered, by number.
    var asked: [UInt64: (object: ObjectID, offset: Int, count: Int, source: NodeID)] = [:]
    var finished: [ObjectID: MantaError?] = [:]

    static func id(_ number: Int) -> ObjectID { ObjectID(task: TaskID(high: 7, low: UInt64(number)), index: 0) }
    static func node(_ number: Int) -> NodeAddress { NodeAddress(node: NodeID(high: 3, low: UInt64(number)), endpoint: "tcp://10.0.0.\(number):1") }

    mutating func on(_ event: (inout TransferBook, (TransferBook.Action) -> Void) -> Void) {
        var actions: [TransferBook.Action] = []
        event(&book) { actions.append($0) }
        for action in actions {
            switch action {
            case .ask(let number, let id, let offset, let count, let source): asked[number] = (id, offset, count, source.node)
            case .finished(let id, let error):
                #expect(finished[id] == nil, "it ends once")
                finished[id] = .some(error)
            }
        }
    }

    mutating func begin(_ number: Int, parts: Int, from sources: [Int]) {
        on { $0.begin(Self.id(number), size: parts * Limits.partBytes, sources: sources.map(Self.node), perform: $1) }
    }

    mutating func answer(_ number: UInt64) {
        asked[number] = nil
        on { $0.arrived(number, perform: $1) }
    }

    mutating func fail(_ number: UInt64, mayComeBack: Bool) {
        asked[number] = nil
        on { $0.failed(number, because: "trouble", mayComeBack: mayComeBack, perform: $1) }
    }

    /// Answers everything until nothing is asked for; returns how many parts came from each source.
    mutating func answerAll() -> [NodeID: Int] {
        var came: [NodeID: Int] = [:]
        while let (number, part) = asked.min(by: { $0.key < $1.key }) {
            came[part.source, default: 0] += 1
            answer(number)
        }
        return came
    }
}

@Suite struct TransferBookTests {
    @Test func partsComeFromAllSourcesAndWithinBounds() {
        var bench = Bench()
        bench.begin(1, parts: 30, from: [1, 2, 3])
        #expect(bench.asked.count == Limits.partsInFlight)
        #expect(Set(bench.asked.values.map(\.offset)) == Set((0..<Limits.partsInFlight).map { $0 * Limits.partBytes }), "the first ones first, each once")
        let came = bench.answerAll()
        #expect(came.count == 3 && came.values.allSatisfy { (8...12).contains($0) }, "\(came)")
        #expect(bench.finished[Bench.id(1)] == .some(nil) && bench.book.isEmpty)
    }

    @Test func theLastPartIsAsLongAsWhatIsLeft() {
        var bench = Bench()
        bench.on { $0.begin(Bench.id(1), size: Limits.partBytes + 5, sources: [Bench.node(1)], perform: $1) }
        #expect(bench.asked.values.map(\.count).sorted() == [5, Limits.partBytes])
        #expect(bench.book.expected(bench.asked.first { $0.value.count == 5 }!.key)?.offset == Limits.partBytes)
        _ = bench.answerAll()
        // Nothing at all is a part too: its source says whether it has the object.
        bench.on { $0.begin(Bench.id(2), size: 0, sources: [Bench.node(1)], perform: $1) }
        #expect(bench.asked.values.map(\.count) == [0])
        _ = bench.answerAll()
        #expect(bench.finished.count == 2)
    }

    @Test func allTransfersTogetherAskForNoMoreThanTheNodeTakesAndTakeTurns() {
        var bench = Bench()
        let howMany = Limits.partsOfNodeInFlight / Limits.partsInFlight + 4
        for number in 0..<howMany { bench.begin(number, parts: 20, from: [1]) }
        #expect(bench.asked.count == Limits.partsOfNodeInFlight && bench.book.inFlight == Limits.partsOfNodeInFlight)
        for number in bench.asked.keys.sorted().prefix(2 * howMany) { bench.answer(number) }
        #expect(bench.asked.count == Limits.partsOfNodeInFlight)
        #expect(Set(bench.asked.values.map(\.object)).count == howMany, "the later ones have their turn")
        _ = bench.answerAll()
        #expect(bench.finished.count == howMany && bench.finished.values.allSatisfy { $0 == nil })
    }

    @Test func whatASourceHasNotComesFromTheOthers() {
        var bench = Bench()
        bench.begin(1, parts: 12, from: [1, 2])
        for (number, part) in bench.asked where part.source == Bench.node(1).node { bench.fail(number, mayComeBack: false) }
        #expect(bench.asked.values.allSatisfy { $0.source == Bench.node(2).node })
        let came = bench.answerAll()
        #expect(came.keys.sorted() == [Bench.node(2).node] && bench.finished[Bench.id(1)] == .some(nil))
    }

    @Test func sourcesThatAreHeardOfMeanwhileHelp() {
        var bench = Bench()
        bench.begin(1, parts: 2, from: [1])
        for number in bench.asked.keys.sorted().prefix(1) { bench.fail(number, mayComeBack: false) }
        bench.on { $0.offer(Bench.id(1), sources: [Bench.node(1), Bench.node(2)], perform: $1) }
        #expect(bench.asked.values.filter { $0.source == Bench.node(1).node }.count == 1, "what it is asked for already; it is asked for no more")
        let came = bench.answerAll()
        #expect(came[Bench.node(2).node] == 1 && bench.finished[Bench.id(1)] == .some(nil))
        bench.on { $0.offer(Bench.id(1), sources: [Bench.node(3)], perform: $1) }
        #expect(bench.asked.isEmpty && bench.book.isEmpty, "nothing begins by it")
    }

    @Test func aBrokenLinkIsTriedAgainAndCountsOnce() {
        var bench = Bench()
        bench.begin(1, parts: 12, from: [1])
        // All parts on their way tell of one break.
        for number in bench.asked.keys { bench.fail(number, mayComeBack: true) }
        for _ in 1..<Limits.sourceBreaks - 1 {
            #expect(!bench.asked.isEmpty)
            for number in bench.asked.keys { bench.fail(number, mayComeBack: true) }
        }
        #expect(bench.answerAll().values.reduce(0, +) == 12 && bench.finished[Bench.id(1)] == .some(nil))
    }

    @Test func aSourceThatIsSilentAgainAndAgainIsGivenUpWithTheReason() {
        var bench = Bench()
        bench.begin(1, parts: 1, from: [1])
        for _ in 0..<Limits.sourceBreaks { bench.fail(bench.asked.keys.first!, mayComeBack: true) }
        let error = bench.finished[Bench.id(1)] ?? nil
        #expect(bench.asked.isEmpty && error?.code == .objectLost && error?.message.contains("trouble") == true)
        // Nobody is known to have it.
        bench.begin(2, parts: 1, from: [])
        #expect((bench.finished[Bench.id(2)] ?? nil)?.code == .objectLost)
    }

    @Test func memoryIsNotGivenBackWhilePartsMayStillCome() {
        var bench = Bench()
        bench.begin(1, parts: 4, from: [1])
        bench.on { $0.nodeLost(Bench.node(1).node, perform: $1) }
        #expect(bench.finished.isEmpty && bench.asked.count == 4)
        for number in bench.asked.keys.sorted() {
            #expect(bench.finished.isEmpty)
            bench.fail(number, mayComeBack: false)
        }
        #expect((bench.finished[Bench.id(1)] ?? nil)?.code == .objectLost && bench.book.isEmpty)
    }

    @Test(arguments: 0..<20) func underRandomTroubleEveryTransferEndsOnceAndWhole(seed: UInt64) {
        var chance = Chance(state: seed &+ 1)
        var bench = Bench()
        var came: [ObjectID: Set<Int>] = [:]
        var begun = 0
        while begun < 40 || !bench.asked.isEmpty {
            if begun < 40, Int.random(in: 0..<4, using: &chance) == 0 {
                begun += 1
                bench.begin(begun, parts: Int.random(in: 1...20, using: &chance), from: Array(Set((0..<3).map { _ in Int.random(in: 1...5, using: &chance) })))
            }
            guard let (number, part) = bench.asked.sorted(by: { $0.key < $1.key }).randomElement(using: &chance) else { continue }
            switch Int.random(in: 0..<20, using: &chance) {
            case 0: bench.fail(number, mayComeBack: false)
            case 1...2: bench.fail(number, mayComeBack: true)
            default:
                #expect(came[part.object, default: []].insert(part.offset).inserted, "what has come is not asked for again")
                bench.answer(number)
            }
            #expect(bench.book.inFlight == bench.asked.count && bench.asked.count <= Limits.partsOfNodeInFlight)
        }
        #expect(bench.book.isEmpty && bench.finished.count == 40)
    }
}

private struct Chance: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ state >> 29
    }
}
