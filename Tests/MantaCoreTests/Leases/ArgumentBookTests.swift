// Arguments that are brought to a node before a worker is taken: whose turn it is, what is served and what is declined; and which node is asked.

import MantaModel
import Testing

@testable import MantaCore

private let owner = ProcessAddress(process: ProcessID(high: 1, low: 1), endpoint: "ipc:///owner")
private func node(_ number: UInt64) -> NodeAddress { NodeAddress(node: NodeID(high: 9, low: number), endpoint: "tcp://n\(number):1") }
private func id(_ number: Int) -> ObjectID { ObjectID(task: TaskID(high: 7, low: UInt64(number)), index: 0) }
private func argument(_ number: Int, _ size: Int = 10, on nodes: UInt64...) -> ArgumentLocation {
    ArgumentLocation(object: id(number), owner: owner, size: size, sources: nodes.map { node($0) })
}
private func lease(_ number: UInt64) -> LeaseID { LeaseID(high: 1, low: number) }
private func request(_ number: UInt64, _ arguments: ArgumentLocation...) -> LeaseRequest {
    LeaseRequest(
        lease: lease(number), owner: owner, job: JobID(high: 5, low: 1), program: Program(path: "/bin/program"), resources: Resources(["CPU": 1]), mayMove: true,
        arguments: arguments)
}

private struct Bench {
    var book = ArgumentBook(capacity: 100)
    var here: Set<ObjectID> = []

    /// What tasks were promised here, by how many.
    var promised: [ObjectID: Int] = [:]

    mutating func on(_ event: (inout ArgumentBook, (ArgumentBook.Action) -> Void) -> Void) -> [ArgumentBook.Action] {
        var actions: [ArgumentBook.Action] = []
        event(&book) { actions.append($0) }
        return actions.filter { action in
            switch action {
            case .promise(let objects): for id in objects { promised[id, default: 0] += 1 }
            case .withdraw(let objects): for id in objects { promised[id] = promised[id] == 1 ? nil : (promised[id] ?? 0) - 1 }
            case .bring, .serve, .decline: return true
            }
            return false
        }
    }
    mutating func ask(_ request: LeaseRequest) -> [ArgumentBook.Action] {
        let here = here
        return on { $0.requested(request, isHere: { here.contains($0) }, perform: $1) }
    }
    mutating func brought(_ number: Int, _ error: MantaError? = nil) -> [ArgumentBook.Action] { on { $0.brought(id(number), error, perform: $1) } }
    mutating func ended(_ number: UInt64) -> [ArgumentBook.Action] { on { $0.ended(lease(number), perform: $1) } }
}

@Suite struct ArgumentBookTests {
    @Test func whatIsHereNeedsNothing() {
        var bench = Bench()
        bench.here = [id(1), id(2)]
        #expect(bench.ask(request(1, argument(1), argument(2))) == [.serve(request(1, argument(1), argument(2)))])
        #expect(bench.book.isEmpty)
    }

    @Test func aRequestIsServedOnceWhenTheLastArgumentIsThere() {
        var bench = Bench()
        bench.here = [id(1)]
        let wanted = request(1, argument(1), argument(2), argument(3))
        #expect(bench.ask(wanted) == [.bring(argument(2)), .bring(argument(3))])
        #expect(bench.ask(wanted).isEmpty, "asked again")
        #expect(bench.brought(3).isEmpty)
        #expect(bench.brought(2) == [.serve(wanted)])
        #expect(bench.brought(2).isEmpty)
    }

    @Test func whatItsTaskNeedsIsPromisedFromItsTurnUntilItsLeaseHasEnded() {
        var bench = Bench()
        bench.here = [id(1)]
        let (first, second) = (request(1, argument(1), argument(2, 40)), request(2, argument(1), argument(3, 40)))
        _ = (bench.ask(first), bench.ask(second))
        #expect(bench.promised == [id(1): 1, id(2): 1], "also what is here, and might leave; not what has to wait for its turn")
        _ = bench.brought(2)
        #expect(bench.promised == [id(1): 1, id(2): 1])
        _ = bench.ended(1)
        #expect(bench.promised == [id(1): 1, id(3): 1])
        #expect(bench.brought(3, MantaError(.objectStoreFull, "full")).count == 1 && bench.promised.isEmpty)
        _ = bench.ask(first)
        _ = bench.on { $0.dropRequests(where: { _ in true }, perform: $1) }
        #expect(bench.promised.isEmpty && bench.book.isEmpty)
    }

    @Test func argumentsFillTheirShareInTurn() {
        var bench = Bench()
        let (first, second, third) = (request(1, argument(1, 40)), request(2, argument(2, 40)), request(3, argument(3, 10)))
        #expect(bench.ask(first) == [.bring(argument(1, 40))])
        #expect(bench.ask(second).isEmpty && bench.ask(third).isEmpty, "60 of 100 may be used, in turn")
        #expect(bench.brought(1) == [.serve(first)])
        #expect(bench.ended(1) == [.bring(argument(2, 40)), .bring(argument(3, 10))])
        // Whose end nobody told.
        #expect(bench.brought(2) == [.serve(second)] && bench.brought(3) == [.serve(third)])
        #expect(bench.ask(first).isEmpty)
        #expect(bench.on { $0.tick(isHeld: { $0 == lease(3) }, perform: $1) } == [.bring(argument(1, 40))])
    }

    @Test func aStoreWithoutRoomDeclinesAndWhatIsLostHindersNobody() {
        var bench = Bench()
        let (first, second) = (request(1, argument(1), argument(2)), request(2, argument(1), argument(3)))
        _ = (bench.ask(first), bench.ask(second))
        let full = MantaError(.objectStoreFull, "full")
        #expect(bench.brought(2, full) == [.decline(first, full)])
        #expect(bench.brought(1, MantaError(.objectLost, "lost")).isEmpty)
        #expect(bench.brought(3) == [.serve(second)])
        #expect(bench.ended(2).isEmpty && bench.book.isEmpty)
    }

    @Test func oneRequestMayNeedMoreThanTheShareButNotMoreThanThereIs() {
        var bench = Bench()
        #expect(bench.ask(request(1, argument(1, 90))) == [.bring(argument(1, 90))])
        let impossible = request(2, argument(2, 60), argument(3, 60))
        #expect(bench.ask(impossible) == [.serve(impossible)])
    }

    @Test func whatIsWithdrawnGivesItsTurnToOthers() {
        var bench = Bench()
        _ = (bench.ask(request(1, argument(1, 50))), bench.ask(request(2, argument(2, 50))), bench.ask(request(3, argument(3, 50))))
        #expect(bench.ended(2).isEmpty)
        #expect(bench.on { $0.dropRequests(where: { $0.lease == lease(1) }, perform: $1) } == [.bring(argument(3, 50))])
        #expect(bench.brought(1).isEmpty)
    }
}

@Suite struct ArgumentPlacementTests {
    @Test func mostBytesDecideThenTheOwnersNode() {
        let home = node(5)
        #expect(ArgumentPlacement(of: [argument(1, 10, on: 1), argument(2, 30, on: 2, 3)], home: home).node == node(2))
        #expect(ArgumentPlacement(of: [argument(1, 10, on: 1, 3), argument(2, 30, on: 2, 3)], home: home) == ArgumentPlacement(of: [argument(1, 40, on: 3)], home: home))
        let tie = ArgumentPlacement(of: [argument(1, 10, on: 1), argument(2, 10, on: 5)], home: home)
        #expect(tie.node == home && tie.missing == [argument(1, 10, on: 1)])
    }
}

@Suite struct TaskBookNearTests {
    private func near(_ arguments: ArgumentLocation...) -> TaskShape { TaskBench.shape.taking(arguments, home: TaskBench.home) }
    private let there = ArgumentLocation(object: id(1), owner: owner, size: 10, sources: [TaskBench.away])
    private let here = ArgumentLocation(object: id(2), owner: owner, size: 5, sources: [TaskBench.home])

    private func submit(_ shape: TaskShape, to book: inout TaskBook, _ number: UInt64) -> [(LeaseRequest, NodeAddress)] {
        var requests: [(LeaseRequest, NodeAddress)] = []
        book.submitted(TaskID(high: 1, low: number), shape: shape, function: 1, payload: Note(Int(number)), at: .zero) {
            if case .requestLease(let request, let node) = $0 { requests.append((request, node)) }
        }
        return requests
    }

    private func book() -> TaskBook { TaskBook(owner: TaskBench.worker(9), home: TaskBench.home) }

    @Test func theNodeOfTheArgumentsIsAskedFirst() {
        var book = book()
        let all = submit(near(there), to: &book, 1)
        #expect(all.map(\.1) == [TaskBench.away] && all[0].0.arguments.isEmpty)
        let some = submit(near(there, here), to: &book, 2)
        #expect(some.map(\.1) == [TaskBench.away] && some[0].0.arguments == [there, here])
        #expect(submit(TaskBench.shape, to: &book, 3).map(\.1) == [TaskBench.home])
    }

    @Test func aLostNodeIsNotAskedAgain() {
        var book = book()
        _ = submit(near(there), to: &book, 1)
        var asked: [NodeAddress] = []
        book.nodeLost(TaskBench.away.node, at: .zero) { if case .requestLease(_, let node) = $0 { asked.append(node) } }
        #expect(asked == [TaskBench.home])
        #expect(submit(near(there), to: &book, 2).allSatisfy { $0.1 == TaskBench.home })
    }

    @Test func awayFromItsArgumentsATaskTakesThemAlong() {
        var book = book()
        let first = submit(near(there), to: &book, 1)
        var requests: [(LeaseRequest, NodeAddress)] = []
        book.leaseMoved(first[0].0.lease, to: TaskBench.home, at: .zero, carrying: { _ in [there] }) {
            if case .requestLease(let request, let node) = $0 { requests.append((request, node)) }
        }
        #expect(requests.map(\.1) == [TaskBench.away] && requests[0].0.arguments == [there])
        #expect(book.counts.waiting == 1)
        // That one is moved as any other, and given back at once when its task has ended.
        var moved: [NodeAddress] = []
        book.leaseMoved(requests[0].0.lease, to: TaskBench.home, at: .zero) { if case .requestLease(_, let node) = $0 { moved.append(node) } }
        #expect(moved == [TaskBench.home])
        var returned = 0
        book.leaseGranted(requests[0].0.lease, worker: TaskBench.worker(3), at: .zero) { _ in }
        book.taskDone(TaskID(high: 1, low: 1), attempt: 1, duration: .milliseconds(1), at: .zero) { if case .returnLease = $0 { returned += 1 } }
        #expect(returned == 1)
    }
}
