// Event: what can happen in a simulation at a moment of virtual time.

import MantaModel

enum Event: CustomStringConvertible {
    case deliver(Message, from: Party, to: Party)
    case tick(Party)
    case heartbeat(node: Int)
    /// A started process says hello.
    case workerStarted(node: Int)
    case workerStartFailed(node: Int)
    /// A worker is asked to leave.
    case stopAsked(process: Int)
    /// A process ends; its own node sees it at once.
    case processEnds(Int, because: String)
    /// Others see that a process is gone.
    case departureSeen(process: Int, node: Int)
    case nodeLossSeen(node: Int, process: Int)
    /// A stretch of a task's computing is over.
    case computed(process: Int, RunKey)
    case submit(driver: Int)
    case cancelSome(driver: Int)
    case reserve(ActorID, node: Int)
    case release(ActorID, node: Int)
    case crashSomeWorker
    case loseNode(Int)
    case faultsEnd
    // Placement groups, by their numbers
    case makeGroup(driver: Int)
    case useGroup(Int)
    case removeGroup(Int)
    /// The head dies and is back at once, without what it had not stored.
    case headRestarts
    /// Nodes and drivers find the new head.
    case registerNode(Int)
    case sayAgain(driver: Int)
    /// The head sees that a process is gone, or a node.
    case headMisses(process: Int)
    case headLoses(node: Int)

    var words: [UInt64] {
        switch self {
        case .deliver(let message, let from, let to): [100, message.words.kind, message.words.subject, from.word, to.word]
        case .tick(let party): [101, party.word]
        case .heartbeat(let node): [102, UInt64(node)]
        case .workerStarted(let node): [103, UInt64(node)]
        case .workerStartFailed(let node): [104, UInt64(node)]
        case .processEnds(let process, _): [105, UInt64(process)]
        case .departureSeen(let process, let node): [106, UInt64(process), UInt64(node)]
        case .nodeLossSeen(let node, let process): [107, UInt64(node), UInt64(process)]
        case .computed(let process, let key): [108, UInt64(process), key.lease.low, key.task.low, UInt64(key.attempt)]
        case .submit(let driver): [109, UInt64(driver)]
        case .cancelSome(let driver): [115, UInt64(driver)]
        case .stopAsked(let process): [116, UInt64(process)]
        case .reserve(let actor, let node): [110, actor.low, UInt64(node)]
        case .release(let actor, let node): [111, actor.low, UInt64(node)]
        case .crashSomeWorker: [112]
        case .loseNode(let node): [113, UInt64(node)]
        case .faultsEnd: [114]
        case .makeGroup(let driver): [120, UInt64(driver)]
        case .useGroup(let number): [121, UInt64(number)]
        case .removeGroup(let number): [122, UInt64(number)]
        case .headRestarts: [123]
        case .registerNode(let node): [124, UInt64(node)]
        case .sayAgain(let driver): [125, UInt64(driver)]
        case .headMisses(let process): [126, UInt64(process)]
        case .headLoses(let node): [127, UInt64(node)]
        }
    }

    var description: String {
        switch self {
        case .deliver(let message, let from, let to): "\(from) → \(to): \(message)"
        case .tick(let party): "\(party) ticks"
        case .heartbeat(let node): "node\(node) reports"
        case .workerStarted(let node): "node\(node): a worker says hello"
        case .workerStartFailed(let node): "node\(node): a worker did not start"
        case .processEnds(let process, let reason): "p\(process) ends: \(reason)"
        case .departureSeen(let process, let node): "node\(node) sees that p\(process) is gone"
        case .nodeLossSeen(let node, let process): "p\(process) sees that node\(node) is lost"
        case .computed(let process, let key): "p\(process) computed for \(name(key.task)) attempt \(key.attempt) under \(name(key.lease))"
        case .submit(let driver): "driver p\(driver) submits"
        case .cancelSome(let driver): "driver p\(driver) cancels a task"
        case .stopAsked(let process): "p\(process) is asked to leave"
        case .reserve(let actor, let node): "actor \(actor.low) is placed on node\(node)"
        case .release(let actor, let node): "actor \(actor.low) leaves node\(node)"
        case .crashSomeWorker: "a worker crashes"
        case .loseNode(let node): "node\(node) is lost"
        case .faultsEnd: "faults end"
        case .makeGroup(let driver): "driver p\(driver) makes a group"
        case .useGroup(let number): "tasks are submitted to group \(number)"
        case .removeGroup(let number): "group \(number) is removed"
        case .headRestarts: "the head restarts"
        case .registerNode(let node): "node\(node) finds the new head"
        case .sayAgain(let driver): "driver p\(driver) finds the new head"
        case .headMisses(let process): "the head sees that p\(process) is gone"
        case .headLoses(let node): "the head sees that node\(node) is lost"
        }
    }
}
