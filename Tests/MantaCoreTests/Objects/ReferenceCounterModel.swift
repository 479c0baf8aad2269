// ReferenceCounterModel: processes that put, pass on, return and drop references at random, over links that delay and break, and die; and what must hold.
//
// Safety, after every event: whoever has a handle finds the object at its owner, unless that is dead. Liveness, at the end: when all handles are gone,
// nothing is kept. Each process follows the rules of ReferenceCounter as a worker does. That a process is dead is known later than what it said last.

import MantaCore
import MantaModel
import Testing

final class ReferenceCounterModel {
    enum Message {
        case register([ObjectID], UInt64), release([ObjectID], UInt64), acknowledged(UInt64)
        case run(TaskID, [ObjectAddress]), done(TaskID, [ObjectAddress])
        /// Answer when the task's end is known, and what it brought is registered.
        case awaitBorrows(TaskID), borrowed(TaskID)
        var isRequest: Bool {
            switch self {
            case .register, .release, .awaitBorrows: true
            default: false
            }
        }
    }

    /// What a process lets go of later: pins of own objects, uses of those of others.
    struct Kept {
        var pins: [ObjectID] = []
        var uses: [ObjectID] = []
    }

    final class Process {
        let id: ProcessID
        let address: ProcessAddress
        var counter: ReferenceCounter
        var isAlive = true
        var nextObject: UInt64 = 0
        /// Handles that its code has: of own objects, and of those of others.
        var own: [ObjectID: Token] = [:]
        var foreign: [ObjectID: ObjectAddress] = [:]
        var living: Set<ObjectID> = []
        var ended: [ObjectID] = []
        var submitted: [TaskID: (kept: Kept, to: Int)] = [:]
        var running: [TaskID: (uses: [ObjectAddress], from: Int)] = [:]
        var handedOut: [TaskID: (kept: Kept, to: Int)] = [:]
        /// Registrations that wait for an answer, by whom they went to.
        var asked: [UInt64: Int] = [:]
        var barriers: [UInt64: () -> Void] = [:]
        var unanswered: [(TaskID, from: Int)] = []
        init(_ number: Int) {
            id = ProcessID(high: UInt64(number), low: 0)
            address = ProcessAddress(process: id, endpoint: "ipc://\(number)")
            counter = ReferenceCounter(process: id)
        }
        var references: [ObjectAddress] { own.keys.sorted().map { ObjectAddress(object: $0, owner: address) } + foreign.values.sorted { $0.object < $1.object } }
    }

    var random: SeededGenerator
    let processes: [Process]
    var links: [[[Message]]]
    var pending: [[[Message]]]
    /// Deaths that are not known everywhere.
    var deaths: [(dead: Int, at: Int)] = []
    var contents: [ObjectID: [ObjectAddress]] = [:]
    var lastTask: UInt64 = 0

    init(processes count: Int, seed: UInt64) {
        random = SeededGenerator(seed)
        processes = (0..<count).map(Process.init)
        links = Array(repeating: Array(repeating: [], count: count), count: count)
        pending = links
    }

    // MARK: What happens

    func step() {
        let number = Int.random(in: 0..<processes.count, using: &random)
        let process = processes[number]
        guard process.isAlive else { return deliver() }
        switch Int.random(in: 0..<20, using: &random) {
        case 0, 1: put(process)
        case 2, 3: drop(process)
        case 4: read(process)
        case 5, 6, 7: submit(number)
        case 8, 9, 10: finish(number)
        case 11: breakLink(number, Int.random(in: 0..<processes.count, using: &random))
        default: deliver()
        }
        settle()
        check()
    }

    private func some(_ process: Process) -> [ObjectAddress] {
        process.references.filter { _ in Bool.random(using: &random) }.prefix(3).map { $0 }
    }

    private func make(_ process: Process, _ inside: [ObjectAddress]) -> ObjectID {
        process.nextObject += 1
        let id = ObjectID(task: TaskID(high: process.id.high, low: process.nextObject), index: 0)
        for inner in inside { process.counter.contain(inner, process.own[inner.object], in: id) }
        process.living.insert(id)
        process.own[id] = Token { [weak process] in process?.ended.append(id) }
        contents[id] = inside
        return id
    }

    private func put(_ process: Process) { _ = make(process, some(process)) }

    private func drop(_ process: Process) {
        guard let reference = process.references.randomElement(using: &random) else { return }
        if process.own.removeValue(forKey: reference.object) == nil, process.foreign.removeValue(forKey: reference.object) != nil { process.counter.drop(reference.object) }
    }

    private func read(_ process: Process) {
        // What a dead process owned is lost, and with it what it contained.
        guard let reference = process.references.randomElement(using: &random), processes[Int(reference.owner.process.high)].isAlive else { return }
        for inner in contents[reference.object] ?? [] where process.own[inner.object] == nil && process.foreign[inner.object] == nil {
            process.foreign[inner.object] = inner
            process.counter.hold(inner)
        }
    }

    private func keep(_ references: [ObjectAddress], _ process: Process, by task: TaskID) -> Kept {
        var kept = Kept()
        for reference in references {
            if let token = process.own[reference.object] {
                process.counter.pin(reference.object, token, by: task)
                kept.pins.append(reference.object)
            } else {
                process.counter.hold(reference)
                kept.uses.append(reference.object)
            }
        }
        return kept
    }

    private func letGo(_ kept: Kept, _ process: Process, by task: TaskID) {
        for id in kept.pins { process.counter.unpin(id, by: task) }
        for id in kept.uses { process.counter.drop(id) }
    }

    private func submit(_ number: Int) {
        let target = Int.random(in: 0..<processes.count, using: &random)
        guard processes[target].isAlive else { return }
        lastTask += 1
        let (process, task, arguments) = (processes[number], TaskID(high: 1 << 40, low: lastTask), some(processes[number]))
        process.submitted[task] = (keep(arguments, process, by: task), target)
        send(.run(task, arguments), from: number, to: target)
    }

    private func finish(_ number: Int) {
        let process = processes[number]
        guard let task = process.running.keys.sorted().randomElement(using: &random), let run = process.running.removeValue(forKey: task) else { return }
        let results = some(process) + run.uses.prefix(1)
        process.handedOut[task] = (keep(results, process, by: task), run.from)
        for use in run.uses { process.counter.drop(use.object) }
        afterBarrier(number) { [unowned self] in
            guard processes[run.from].isAlive else {
                if let (kept, _) = process.handedOut.removeValue(forKey: task) { letGo(kept, process, by: task) }
                return
            }
            send(.done(task, results), from: number, to: run.from)
            send(.awaitBorrows(task), from: number, to: run.from)
        }
    }

    func kill(_ number: Int) {
        let process = processes[number]
        process.isAlive = false
        (process.own, process.foreign, process.submitted, process.handedOut, process.barriers) = ([:], [:], [:], [:], [:])
        process.counter = ReferenceCounter(process: process.id)
        for other in processes.indices {
            // What it said last may be lost, from some message on.
            links[number][other].removeLast(Int.random(in: 0...links[number][other].count, using: &random))
            links[other][number] = []
            if processes[other].isAlive { deaths.append((number, other)) }
        }
    }

    // MARK: Messages

    private func send(_ message: Message, from sender: Int, to receiver: Int) {
        links[sender][receiver].append(message)
        if message.isRequest { pending[sender][receiver].append(message) }
    }

    /// What was asked and not answered is sent again, before all else that waits.
    private func breakLink(_ sender: Int, _ receiver: Int) {
        guard processes[receiver].isAlive else { return }
        links[sender][receiver] = pending[sender][receiver] + links[sender][receiver].filter { !$0.isRequest }
    }

    private func deliver() {
        var routes: [(Int, Int)] = []
        for sender in processes.indices { for receiver in processes.indices where !links[sender][receiver].isEmpty { routes.append((sender, receiver)) } }
        guard let (sender, receiver) = routes.randomElement(using: &random) else { return spreadDeath() }
        let message = links[sender][receiver].removeFirst()
        if processes[receiver].isAlive { receive(message, at: receiver, from: sender) }
    }

    private func receive(_ message: Message, at number: Int, from sender: Int) {
        let process = processes[number]
        switch message {
        case .register(let ids, let count):
            process.counter.borrowed(ids, by: processes[sender].id, number: count)
            send(.acknowledged(count), from: number, to: sender)
        case .release(let ids, let count):
            process.counter.released(ids, by: processes[sender].id, number: count)
            send(.acknowledged(count), from: number, to: sender)
        case .acknowledged(let count):
            pending[number][sender].removeAll { if case .register(_, count) = $0 { true } else if case .release(_, count) = $0 { true } else { false } }
            if process.asked.removeValue(forKey: count) != nil { act(number) { $0.acknowledged(count, perform: $1) } }
        case .run(let task, let arguments):
            for argument in arguments { process.counter.hold(argument) }
            process.running[task] = (arguments, sender)
        case .done(let task, let results):
            guard let (kept, _) = process.submitted.removeValue(forKey: task) else { return }
            _ = make(process, results)
            letGo(kept, process, by: task)
        case .awaitBorrows(let task): process.unanswered.append((task, sender))
        case .borrowed(let task):
            pending[number][sender].removeAll { if case .awaitBorrows(task) = $0 { true } else { false } }
            if let (kept, _) = process.handedOut.removeValue(forKey: task) { letGo(kept, process, by: task) }
        }
        let known = process.unanswered.filter { process.submitted[$0.0] == nil }
        process.unanswered.removeAll { process.submitted[$0.0] == nil }
        for (task, sender) in known { afterBarrier(number) { [unowned self] in send(.borrowed(task), from: number, to: sender) } }
    }

    private func spreadDeath() {
        guard !deaths.isEmpty else { return }
        let (dead, number) = deaths.removeFirst()
        let process = processes[number]
        guard process.isAlive else { return }
        act(number) { $0.processEnded(processes[dead].id, perform: $1) }
        for (count, owner) in process.asked where owner == dead {
            process.asked[count] = nil
            act(number) { $0.acknowledged(count, perform: $1) }
        }
        for (task, entry) in process.submitted where entry.to == dead {
            process.submitted[task] = nil
            letGo(entry.kept, process, by: task)
        }
        for (task, entry) in process.handedOut where entry.to == dead {
            process.handedOut[task] = nil
            letGo(entry.kept, process, by: task)
        }
    }

    private func act(_ number: Int, _ body: (inout ReferenceCounter, (ReferenceCounter.Action) -> Void) -> Void) {
        var actions: [ReferenceCounter.Action] = []
        body(&processes[number].counter) { actions.append($0) }
        for action in actions {
            switch action {
            case .register(let ids, let owner, let count):
                processes[number].asked[count] = Int(owner.process.high)
                if processes[Int(owner.process.high)].isAlive { send(.register(ids, count), from: number, to: Int(owner.process.high)) } else { deaths.append((Int(owner.process.high), number)) }
            case .release(let ids, let owner, let count):
                if processes[Int(owner.process.high)].isAlive { send(.release(ids, count), from: number, to: Int(owner.process.high)) }
            case .passed(let token): processes[number].barriers.removeValue(forKey: token)?()
            }
        }
    }

    private func afterBarrier(_ number: Int, _ body: @escaping () -> Void) {
        var token: UInt64?
        act(number) { token = $0.barrier(perform: $1) }
        if let token { processes[number].barriers[token] = body } else { body() }
    }

    /// What a process does at the end of its turn.
    private func settle() {
        for (number, process) in processes.enumerated() where process.isAlive {
            while let id = process.ended.popLast() {
                process.living.remove(id)
                process.counter.ended(id)
            }
            act(number) { $0.flush(perform: $1) }
        }
    }

    // MARK: What must hold

    private func check() {
        for process in processes where process.isAlive {
            for (id, address) in process.foreign {
                let owner = processes[Int(address.owner.process.high)]
                #expect(!owner.isAlive || owner.living.contains(id), "\(process.id.high) uses \(id), which has ended")
            }
        }
    }

    /// Drops every handle, lets everything end, and returns what is still kept.
    func drain() -> [String] {
        for process in processes where process.isAlive {
            process.own = [:]
            for id in process.foreign.keys { process.counter.drop(id) }
            process.foreign = [:]
        }
        var quiet = 0
        while quiet < 3 {
            settle()
            let isQuiet = links.allSatisfy { $0.allSatisfy(\.isEmpty) } && deaths.isEmpty
            quiet = isQuiet ? quiet + 1 : 0
            for number in processes.indices where processes[number].isAlive { for _ in processes[number].running { finish(number) } }
            deliver()
            for process in processes { process.own = [:] }
        }
        return processes.filter(\.isAlive).flatMap { process in process.living.map { "\($0) of \(process.id.high): \(String(describing: process.counter.reasons(of: $0)))" } }
    }
}

struct ReferenceCounterModelTests {
    @Test(arguments: 0..<25) func nothingEndsTooEarlyAndNothingStays(seed: UInt64) {
        let model = ReferenceCounterModel(processes: 4, seed: seed)
        for _ in 0..<1_000 { model.step() }
        #expect(model.drain() == [])
    }

    @Test(arguments: 0..<25) func itHoldsWhenProcessesDie(seed: UInt64) {
        let model = ReferenceCounterModel(processes: 5, seed: seed)
        for round in 0..<3 {
            for _ in 0..<500 { model.step() }
            model.kill(round)
        }
        for _ in 0..<500 { model.step() }
        #expect(model.drain() == [])
    }
}
