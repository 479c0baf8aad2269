// Head+State: what people see: records of tasks and errors that processes report, and rows of everything for the admin API and the command line.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension Head {
    func reportTasks(_ message: ReportTasks, on link: Link) {
        if let unfinished = message.unfinished { link.notes?.unfinished = unfinished }
        guard let reporter = link.peer?.process else { return }
        let rows = message.tasks.map { task in
            // A record can come behind the end of its job, or of its process. Detached actors outlive their jobs, and what they submit goes on.
            if jobs.hasEnded(task.job), tasks.isGone(reporter) || jobs[task.job]?.driver.process == reporter {
                return TaskRing.ended(task, at: jobs[task.job]?.endedAt ?? .now)
            }
            return tasks.isGone(reporter) ? TaskRing.ended(task, at: .now, because: TaskRing.submitterEnded) : task
        }
        tasks.record(rows, of: reporter, dropped: message.dropped)
        for span in message.spans { spans.append(span) }
        droppedSpans += max(0, message.droppedSpans)
    }

    func querySpans(_ correlation: Correlation, on link: Link) {
        link.reply(to: correlation, SpansFound(spans: spans.latest(spans.count), dropped: droppedSpans + spans.dropped))
    }

    func reportErrors(_ message: ReportErrors) {
        for error in message.errors { note(error) }
    }

    /// Output for a driver that its node has no link to.
    func passOn(_ output: WorkerOutput) {
        for peer in peers.values where peer.jobs.contains(output.job) { peer.link.send(output) }
    }

    func queryState(_ message: QueryState, _ correlation: Correlation, on link: Link) {
        let selection = RowSelection(filters: message.filters ?? [], after: message.after, limit: max(0, min(message.limit, Limits.listRows)))
        var answer = StateAnswer(cluster: cluster, startedAt: startedAt)
        answer.droppedTasks = tasks.dropped
        do throws(MantaError) {
            guard selection.isPlain || message.tables.count == 1 else {
                throw MantaError(.invalidArgument, "\(message.tables.count) tables are asked for with a filter or a row to go on from; ask for one")
            }
            for table in Set(message.tables) { try fill(table, selection, &answer) }
        } catch {
            return link.fail(correlation, error)
        }
        guard message.tables.contains(.objects) else {
            link.reply(to: correlation, answer)
            return
        }
        gatherObjects(selection, answer) { [self] result in
            switch result {
            case .success(let answer): describeCopies(in: answer) { link.reply(to: correlation, $0) }
            case .failure(let error): link.fail(correlation, error)
            }
        }
    }

    private func fill(_ table: QueryState.Table, _ selection: RowSelection, _ answer: inout StateAnswer) throws(MantaError) {
        switch table {
        case .nodes:
            let nodes = membership.all.sorted { ($0.startedAt, $0.id) > ($1.startedAt, $1.id) }
                .map { NodeRow($0, store: stores[$0.id]) }
            answer.nodes = try answer.take(table, selection.select(nodes))
            let living = nodes.lazy.filter { $0.state != .dead }
            answer.resources = living.reduce(into: Resources()) { $0 += $1.total }
            answer.freeResources = living.reduce(into: Resources()) { $0 += $1.available }
            answer.waitingRequests = waiting.values.reduce(0) { $0 + $1.requests }
            let demands = [waiting.values.flatMap(\.demands), directory.demands, placementGroups.demands].joined()
            answer.demands = DemandRow.merged(demands, limit: Limits.reportedDemands)
        case .jobs:
            guard selection.isPlain else { return answer.jobs = try answer.take(table, selection.select(jobs.rows(limit: .max))) }
            answer.jobs = jobs.rows(limit: selection.limit)
            answer.count(table, jobs.count, jobs.states)
        case .tasks:
            answer.unfinishedTasks = peers.values.reduce(into: [:]) { $0.merge($1.unfinished, uniquingKeysWith: +) }
            guard selection.isPlain else { return answer.tasks = try answer.take(table, selection.select(tasks.rows(limit: .max))) }
            answer.tasks = tasks.rows(limit: selection.limit)
            answer.count(table, tasks.count, tasks.states)
        case .actors:
            guard selection.isPlain else { return answer.actors = try answer.take(table, selection.select(directory.rows(limit: .max))) }
            answer.actors = directory.rows(limit: selection.limit)
            answer.count(table, directory.count, directory.states)
        case .errors:
            answer.errors = errors.latest(selection.limit)
            answer.totals[table.rawValue] = errors.count
        case .placementGroups:
            answer.placementGroups = try answer.take(table, selection.select(placementGroups.rows(limit: .max)))
        case .submissions: answer.submissions = try answer.take(table, selection.select(submissions.rows(limit: .max)))
        case .objects: break
        }
    }

    /// Asks every node; one that does not answer within a second is left out.
    private func gatherObjects(_ selection: RowSelection, _ answer: StateAnswer, _ done: @escaping (Result<StateAnswer, MantaError>) -> Void) {
        var answer = answer
        let links = nodeLinks
        var totals: [ObjectTotals] = []
        var (all, missing, silent) = (ObjectList(rows: [], total: 0, totalBytes: 0), links.count, 0)
        // One that is asked for by its identifier its owner knows without looking. Which rows meet another condition only they say: as many as there may be
        // are asked for.
        let object = selection.filters.first { $0.member == "id" && $0.isEqual }.flatMap { ObjectID($0.value) }
        let limit = selection.isPlain ? selection.limit : Limits.listRows
        func finish() {
            var largest = Largest<ObjectRow>(limit) { ($0.size, $0.id) < ($1.size, $1.id) }
            for row in all.rows { largest.add(row) }
            all.rows = largest.sorted
            answer.objectBytes = all.totalBytes
            answer.objectTotals = totals.sorted { ($0.bytes, $0.node) > ($1.bytes, $1.node) }
            if silent > 0 { answer.warn("\(silent) of \(links.count) nodes did not answer in time; their objects are left out") }
            if let silent = all.silent { answer.warn("\(silent) processes did not answer in time; their objects are left out") }
            guard !selection.isPlain else {
                answer.objects = all.rows
                answer.count(.objects, all.total, all.states ?? [:])
                return done(.success(answer))
            }
            if object == nil, all.total > all.rows.count { answer.warn("only the \(all.rows.count) largest of \(all.total) objects were looked at") }
            do throws(MantaError) {
                answer.objects = try answer.take(.objects, selection.select(all.rows))
                done(.success(answer))
            } catch { done(.failure(error)) }
        }
        if links.isEmpty { return finish() }
        for (node, link) in links {
            link.request(ListObjects(limit: limit, object: object), deadline: .seconds(1)) { result in
                if case .success(let list) = result {
                    totals.append(ObjectTotals(node: node, objects: list.total, bytes: list.totalBytes))
                    all.rows += list.rows
                    all.total += list.total
                    all.totalBytes += list.totalBytes
                    all.states = (all.states ?? [:]).merging(list.states ?? [:], uniquingKeysWith: +)
                    if let silent = list.silent { all.silent = (all.silent ?? 0) + silent }
                } else {
                    silent += 1
                }
                missing -= 1
                if missing == 0 { finish() }
            }
        }
    }
}

extension Head {
    /// Which copies of the objects that are shown are on disk their nodes know; one that does not answer within a second leaves it open.
    private func describeCopies(in answer: StateAnswer, _ done: @escaping (StateAnswer) -> Void) {
        var answer = answer
        var asked: [NodeID: [(row: Int, copy: Int)]] = [:]
        for (row, object) in answer.objects.enumerated() {
            for (copy, place) in (object.copies ?? []).enumerated() where nodeLinks[place.node] != nil { asked[place.node, default: []].append((row, copy)) }
        }
        var missing = asked.count
        guard missing > 0 else { return done(answer) }
        for (node, places) in asked {
            nodeLinks[node]?.request(DescribeCopies(objects: places.map { answer.objects[$0.row].id }), deadline: .seconds(1)) { result in
                for (place, isSpilled) in zip(places, (try? result.get())?.areSpilled ?? []) {
                    answer.objects[place.row].copies?[place.copy].spilled = isSpilled
                }
                missing -= 1
                if missing == 0 { done(answer) }
            }
        }
    }
}

extension StateAnswer {
    fileprivate mutating func count(_ table: QueryState.Table, _ total: Int, _ states: [String: Int]) {
        totals[table.rawValue] = total
        self.states = (self.states ?? [:]).merging([table.rawValue: states]) { $1 }
    }

    fileprivate mutating func take<Row>(_ table: QueryState.Table, _ page: RowPage<Row>) -> [Row] {
        count(table, page.total, page.states)
        if page.hasMore { hasMore = true }
        return page.rows
    }

    fileprivate mutating func warn(_ sentence: String) { warnings = (warnings ?? []) + [sentence] }
}
