// Head+Explaining: why something waits, where it was put and why, why it was tried again, why it died. What the head does not know itself it asks the owners.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension Head {
    func explain(_ message: Explain, _ correlation: Correlation, on link: Link) throws(MantaError) {
        let text = message.id
        if let submission = submissions[text]?.row {
            link.reply(to: correlation, Explanation(lines: [Self.sentence(submission)]))
            return
        }
        if let object = ObjectID(text) { return explain(object, correlation, on: link) }
        guard text.utf8.count >= 6, text.utf8.count <= 32, text.allSatisfy(\.isHexDigit) else {
            throw MantaError(.invalidArgument, "\"\(text.prefix(64))\" is no identifier; expected 32 hexadecimal digits, or at least the first 6 of an actor's, placement group's, node's or job's; a task's, or an object's (its task's, a dash and its index), as `manta list` shows it; or the id of a submitted job")
        }
        var lines: [String] = []
        for actor in matching(text, directory.rows(limit: .max).map(\.id)) { lines += directory.explain(actor) ?? [] }
        for group in matching(text, placementGroups.rows(limit: .max).map(\.id)) { lines += placementGroups.explain(group) ?? [] }
        for node in matching(text, membership.all.map(\.id)) { lines += explain(node) }
        for job in matching(text, jobs.rows(limit: .max).map(\.id)) { lines += explain(job) }
        guard let task = TaskID(text) else { return try answer(lines, text, correlation, on: link) }
        if let row = tasks[task] { lines += (row.attempts ?? []).map { Self.sentence($0, of: row) } + [Self.sentence(row)] }
        guard tasks[task].map({ !$0.state.successors.isEmpty }) ?? lines.isEmpty else { return try answer(lines, text, correlation, on: link) }
        askOwners(ExplainTask(task: task)) { [lines] more in
            do throws(MantaError) { try self.answer(lines + more, text, correlation, on: link) } catch { link.fail(correlation, error) }
        }
    }

    /// Its owner knows most of it; of its task people may know more here.
    private func explain(_ object: ObjectID, _ correlation: Correlation, on link: Link) {
        askOwners(ExplainTask(task: object.task, result: object.index)) { [self] known in
            let row = tasks[object.task].map { ["it is the result of \(Self.sentence($0))"] } ?? []
            guard !known.isEmpty else {
                let gone = "nothing is known of object \(object): no process that could be asked owns it; it has ended, its owner is gone, or it never was"
                if row.isEmpty { link.fail(correlation, MantaError(.notFound, gone)) } else { link.reply(to: correlation, Explanation(lines: [gone] + row)) }
                return
            }
            link.reply(to: correlation, Explanation(lines: known + row))
        }
    }

    private func answer(_ lines: [String], _ text: String, _ correlation: Correlation, on link: Link) throws(MantaError) {
        guard !lines.isEmpty else {
            guard text.utf8.count == 32 else {
                throw MantaError(.notFound, "no actor, placement group, node or job has an identifier that begins with \(text); of a task all 32 digits are needed")
            }
            throw MantaError(.notFound, "nothing is known of \(text): no actor, placement group, node or job has this identifier, and no task of the latest \(Limits.taskRecords)")
        }
        link.reply(to: correlation, Explanation(lines: lines))
    }

    private func matching<ID: Identifier>(_ text: String, _ ids: [ID]) -> [ID] { ids.filter { $0.description.hasPrefix(text.lowercased()) } }

    private func explain(_ id: NodeID) -> [String] {
        guard let node = membership[id] else { return [] }
        return ["node \(id) on \(node.host) is \(node.state.rawValue)\(node.reason.map { ": \($0)" } ?? ""); it has \(node.total.plain), \(node.available.plain) of it free"]
    }

    private func explain(_ id: JobID) -> [String] {
        guard let job = jobs[id] else { return [] }
        return ["job \(id) of \(job.program.path), process \(job.pid) on \(job.host), is \(job.state.rawValue)"]
    }

    private static func sentence(_ row: SubmissionRow) -> String {
        let place = [row.pid.map { "process \($0)" }, row.node.map { "node \($0.short)" }].compactMap { $0 }.joined(separator: " on ")
        return "job \(row.id) (\(row.entrypoint.joined(separator: " "))) is \(row.state.rawValue)\(place.isEmpty ? "" : ", \(place)")\(row.message.map { ": \($0)" } ?? "")"
    }

    private static func sentence(_ attempt: TaskAttempt, of row: TaskRow) -> String {
        let (place, end) = (attempt.worker.map { " on worker \($0.short)" } ?? "", attempt.error.map { ": \($0)" } ?? "")
        return "task \(row.id), \(row.title), attempt \(attempt.attempt) \(attempt.state.rawValue)\(place)\(end)"
    }

    private static func sentence(_ row: TaskRow) -> String {
        let place = [row.worker.map { "worker \($0.short)" }, row.node.map { "node \($0.short)" }].compactMap { $0 }.joined(separator: " of ")
        let end = row.error.map { ": \($0)" } ?? ""
        let why = place.isEmpty ? "" : row.placement.map { " (\($0.sentence))" } ?? ""
        return "task \(row.id), \(row.title), attempt \(row.attempt) \(row.state.rawValue)\(place.isEmpty ? "" : " on \(place)\(why)")\(end)"
    }

    /// Every node asks the owners on its machine; one that does not answer in time is left out.
    private func askOwners(_ question: ExplainTask, _ done: @escaping ([String]) -> Void) {
        let links = Array(nodeLinks.values)
        guard !links.isEmpty else { return done([]) }
        var (missing, lines): (Int, [String]) = (links.count, [])
        for node in links {
            node.request(question, deadline: .seconds(1)) { result in
                if case .success(let answer) = result { lines += answer.lines }
                missing -= 1
                // Several nodes of one machine may know the same owner.
                if missing == 0 { done(lines.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }) }
            }
        }
    }
}
