// Explaining: what this process knows of a task or call that has not ended, for people: as the one that submitted it, and as the one that runs it.

import MantaCore
import MantaModel
import MantaTransport
import MantaWire

extension Owner {
    /// Arguments that an explanation names.
    private static let namedArguments = 20

    /// What this process knows of the task, and what the node knows of the lease it waits for.
    func explain(_ message: ExplainTask, correlation: Correlation, on link: Link) {
        let task = message.task
        if let result = message.result {
            // Who asks for an object that is not there yet asks for its task.
            let known = knownOf(task).map { ["its task \($0.sentence)"] + missingArguments(of: $0.1) } ?? []
            return explain(ObjectID(task: task, index: result)) { link.reply(to: correlation, Explanation(lines: $0.isEmpty ? [] : $0 + known)) }
        }
        var lines: [String] = []
        if let sentence = execution.explain(task) { lines.append("process \(pid), which has it, says: it \(sentence)\(waits(of: task))") }
        if let (sentence, submission) = knownOf(task) {
            lines.append("its owner, process \(pid), says: it \(sentence)\(untaken(of: submission))")
            lines += missingArguments(of: submission)
        }
        guard let (lease, node) = tasks?.oldestRequest(of: task) else {
            link.reply(to: correlation, Explanation(lines: lines))
            return
        }
        self.link(to: node).request(ExplainLease(lease: lease), deadline: .milliseconds(400)) { [lines] result in
            let more = (try? result.get())?.lines.map { "node \(node.node.short), which it asked for a worker, says: \($0)" } ?? []
            link.reply(to: correlation, Explanation(lines: lines + more))
        }
    }

    /// Of a stream: what nobody has taken yet, for which what makes it may wait.
    private func untaken(of submission: Submission) -> String {
        guard let count = submission.results.first?.stream?.waiting, count > 0 else { return "" }
        return "; \(count) items of its stream were not taken yet, and it makes no more than its stream allows"
    }

    /// Of a task or call that was submitted here: where it is, in words.
    private func knownOf(_ task: TaskID) -> (sentence: String, Submission)? {
        if let queue = calls[task]?.queue {
            guard let sentence = queue.explain(task), let payload = queue.anyPayload(of: task) else { return nil }
            return (sentence, submission(payload))
        }
        guard let book = tasks, let sentence = book.explain(task), let payload = book.payload(of: task) else { return nil }
        guard let place = book.place(of: task) else { return (sentence, submission(payload)) }
        let reason = places[place.worker.process].map { ": \($0.reason.sentence)" } ?? ""
        return ("\(sentence) on node \(place.node.node.short)\(reason)", submission(payload))
    }

    /// Where a task of this process is, in words, with the first of the arguments that it lacks; nil for a call of an actor, which may stand behind very many.
    func standing(of task: TaskID) -> String? {
        guard calls[task] == nil, let (sentence, submission) = knownOf(task) else { return nil }
        return (["it \(sentence)"] + missingArguments(of: submission).prefix(1)).joined(separator: "; ")
    }

    /// Which arguments are not there, who makes them, and how far that is.
    private func missingArguments(of submission: Submission) -> [String] {
        let missing = submission.arguments.indices.compactMap { index -> String? in
            guard let handle = handle(of: submission.arguments[index]), !handle.isSettled else { return nil }
            return "argument \(index + 1), object \(handle.id), is not there: \(maker(of: handle))"
        }
        guard missing.count > Self.namedArguments else { return missing }
        return missing.prefix(Self.namedArguments) + ["and \(missing.count - Self.namedArguments) more arguments are not there"]
    }

    private func maker(of handle: ObjectHandle) -> String {
        guard isOwn(handle) else { return "it belongs to process \(handle.owner.process.short), which was asked for it" }
        let source = objects.source(of: handle.id) ?? "something"
        guard let (sentence, submission) = knownOf(handle.id.task) else { return "it comes from \(source)" }
        return "\(submission.title) (task \(handle.id.task)) makes it, which \(sentence)"
    }

    /// What a task that runs here waits for.
    private func waits(of task: TaskID) -> String {
        let objects = OpenWaits.ofThisProcess.waits(of: task).map(\.handle.id)
        guard let first = objects.first else { return "" }
        return objects.count == 1 ? ", and waits for object \(first)" : ", and waits for \(objects.count) objects, one of them \(first)"
    }
}

/// Where a task or call is in the process that has it.
enum Standing {
    case running
    /// So many are in front of it.
    case inLine(Int)

    var sentence: String {
        switch self {
        case .running: "runs there"
        case .inLine(let count): "stands in line there, behind \(count) others and what runs"
        }
    }
}

extension Execution {
    /// Where a task or call that is here stands; nil when it is not. Looks at everything.
    func explain(_ task: TaskID) -> String? {
        let standing = runners.values.lazy.compactMap { $0.standing(of: task) }.first ?? actors.standing(of: task)
        return standing?.sentence
    }
}
