// Head+State: what people see: records of tasks and errors that processes report, and rows of everything for the admin API and the command line.

import MantaCore
import MantaModel
import MantaTransport
import MantaWire

extension Head {
    func reportTasks(_ message: ReportTasks) {
        let rows = message.tasks.map { task in
            // A record can come behind the end of its job.
            guard jobs.hasEnded(task.job) else { return task }
            return TaskRing.ended(task, at: jobs[task.job]?.endedAt ?? .now)
        }
        tasks.record(rows, dropped: message.dropped)
    }

    func reportErrors(_ message: ReportErrors) {
        for error in message.errors { note(error) }
    }

    /// Output for a driver that its node has no link to.
    func passOn(_ output: WorkerOutput) {
        for peer in peers.values where peer.jobs.contains(output.job) { peer.link.send(output) }
    }

    func queryState(_ message: QueryState, _ correlation: Correlation, on link: Link) {
        let limit = max(0, min(message.limit, Limits.listRows))
        var answer = StateAnswer(cluster: cluster, startedAt: startedAt)
        answer.droppedTasks = tasks.dropped
        for table in Set(message.tables) {
            switch table {
            case .nodes:
                answer.nodes = membership.all.sorted { ($0.startedAt, $0.id) > ($1.startedAt, $1.id) }.prefix(limit).map { NodeRow($0) }
                answer.totals[table.rawValue] = membership.all.count
            case .jobs:
                answer.jobs = jobs.rows(limit: limit)
                answer.totals[table.rawValue] = jobs.count
            case .tasks:
                answer.tasks = tasks.rows(limit: limit)
                answer.totals[table.rawValue] = tasks.count
            case .actors:
                answer.actors = directory.rows(limit: limit)
                answer.totals[table.rawValue] = directory.count
            case .errors:
                answer.errors = errors.latest(limit)
                answer.totals[table.rawValue] = errors.count
            case .objects: break
            }
        }
        guard message.tables.contains(.objects) else {
            link.reply(to: correlation, answer)
            return
        }
        gatherObjects(limit: limit) { rows, total in
            answer.objects = rows
            answer.totals[QueryState.Table.objects.rawValue] = total
            link.reply(to: correlation, answer)
        }
    }

    /// Asks every node; one that does not answer within a second is left out.
    private func gatherObjects(limit: Int, _ done: @escaping ([ObjectRow], Int) -> Void) {
        let links = Array(nodeLinks.values)
        guard !links.isEmpty else { return done([], 0) }
        var (rows, total, missing): ([ObjectRow], Int, Int) = ([], 0, links.count)
        for node in links {
            node.request(ListObjects(limit: limit), deadline: .seconds(1)) { result in
                if case .success(let list) = result {
                    rows += list.rows
                    total += list.total
                }
                missing -= 1
                if missing == 0 { done(Array(rows.sorted { ($0.size, $0.id) > ($1.size, $1.id) }.prefix(limit)), total) }
            }
        }
    }
}
