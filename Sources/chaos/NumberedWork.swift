// NumberedWork: what producers have done: work of every kind whose result tells which number it was made from.

import Glibc
import Manta
import MantaModel

/// Takes a while, as long as its number says.
@Remote(retries: -1) func doubled(_ number: Int) async throws -> Int {
    try await Task.sleep(for: .milliseconds(number % 40))
    return 2 * number
}

/// Waits for a task of its own.
@Remote(retries: -1) func doubledByAnother(_ number: Int) async throws -> Int { try await doubled.remote(number).value }

/// Lives as long as its driver, and begins anew when its process or node dies.
@RemoteActor(maxRestarts: -1, maxTaskRetries: -1) actor Member {
    init() {}
    func doubled(_ number: Int) async throws -> Int {
        try await Task.sleep(for: .milliseconds(number % 10))
        return 2 * number
    }
}

/// One for all producers, which outlives them.
@RemoteActor(maxRestarts: -1, maxTaskRetries: -1) actor Tally {
    init() {}
    func doubled(_ number: Int) -> Int { 2 * number }
}

/// The kinds of work, in turn.
enum WorkKind: String, CaseIterable {
    case task, spread, nested, member, tally, group

    init(_ number: Int) { self = number % 25 == 0 ? .group : [.task, .spread, .nested, .member, .tally, .member][number % 6] }
}

/// Submits work, and returns when it is done.
struct Workshop {
    static let members = 8
    private let members = (0..<Self.members).map { _ in Member.remote() }
    private let tally = Tally.options(name: "tally", lifetime: .detached, getIfExists: true).remote()

    /// - Parameter submitted: is told of the task when it is known.
    /// - Returns: twice the number, if all is well.
    func work(on number: Int, submitted: (TaskID) -> Void) async throws -> Int {
        let reference: ObjectReference<Int>
        switch WorkKind(number) {
        case .task: reference = doubled.remote(number)
        case .spread: reference = doubled.options(scheduling: .spread).remote(number)
        case .nested: reference = doubledByAnother.remote(number)
        case .member: reference = members[number % members.count].doubled(number)
        case .tally: reference = tally.doubled(number)
        case .group:
            let group = try await Manta.placementGroup([["CPU": 1], ["CPU": 1]])
            let task = doubled.options(scheduling: .group(group)).remote(number)
            submitted(task.id.task)
            let value = try await task.value
            try await group.remove()
            return value
        }
        submitted(reference.id.task)
        return try await reference.value
    }
}
