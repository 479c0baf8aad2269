// Head+Submissions: programs that the cluster was asked to run, ordered to nodes; kept in a table of the store that nobody else sees.

import Logging
import MantaCore
import MantaLoop
import MantaModel
import MantaStorage
import MantaTransport
import MantaWire

extension Head {
    /// The table of the store that keeps the submissions.
    static var submissionTable: String { "manta.submissions" }

    func restoreSubmissions(_ rows: [StoredRow]) throws(MantaError) {
        var entries: [SubmissionBook.Entry] = []
        for row in rows {
            do throws(MantaError) { entries.append(try ValueDecoder.decode(SubmissionBook.Entry.self, from: row.value)) } catch {
                throw MantaError(.malformed, "the store's row of job \(row.key) cannot be read; was it written by another release?", cause: error)
            }
        }
        submissions.restore(entries)
    }

    func submit(_ message: SubmitProgram, _ correlation: Correlation, on link: Link) throws(MantaError) {
        var specification = message.specification
        if specification.id.isEmpty { specification.id = SubmissionSpecification.makeID() }
        var row: SubmissionRow?
        var failure: MantaError?
        submissionEvent { book, sink in
            do throws(MantaError) { row = try book.submit(specification, time: .now, sink) } catch { failure = error }
        }
        if let failure { throw failure }
        answerWhenDurable(row, correlation, on: link)
    }

    func stopSubmission(_ message: StopSubmission, _ correlation: Correlation, on link: Link) throws(MantaError) {
        var isStopping = false
        var failure: MantaError?
        submissionEvent { book, sink in
            do throws(MantaError) { isStopping = try book.stop(message.id, time: .now, sink) } catch { failure = error }
        }
        if let failure { throw failure }
        answerWhenDurable(submissions[message.id]?.row, isStopping: isStopping, correlation, on: link)
    }

    func deleteSubmission(_ message: DeleteSubmission, _ correlation: Correlation, on link: Link) throws(MantaError) {
        var failure: MantaError?
        submissionEvent { book, sink in
            do throws(MantaError) { try book.delete(message.id, sink) } catch { failure = error }
        }
        if let failure { throw failure }
        journal?.write([]) { error in if let error { link.fail(correlation, error) } else { link.reply(to: correlation, Acknowledged()) } }
    }

    private func answerWhenDurable(_ row: SubmissionRow?, isStopping: Bool = false, _ correlation: Correlation, on link: Link) {
        guard let row else { return }
        journal?.write([]) { error in
            if let error { link.fail(correlation, error) } else { link.reply(to: correlation, SubmissionFound(row: row, isStopping: isStopping)) }
        }
    }

    /// The node that runs or ran it has the file.
    func readLog(_ message: ReadSubmissionLog, _ correlation: Correlation, on link: Link) throws(MantaError) {
        guard let entry = submissions[message.id] else { throw SubmissionBook.unknown(message.id) }
        guard let node = entry.row.node else {
            link.reply(to: correlation, SubmissionLog(bytes: [], next: message.offset, isComplete: entry.row.state.successors.isEmpty))
            return
        }
        guard let home = nodeLinks[node] else {
            throw MantaError(.unavailable, "node \(node.short), which has the output of job \"\(message.id)\", is not connected")
        }
        home.request(message) { result in
            switch result {
            case .success(let log): link.reply(to: correlation, log)
            case .failure(let error): link.fail(correlation, error)
            }
        }
    }

    func entrypointReport(_ message: EntrypointReport, _ correlation: Correlation, on link: Link) {
        submissionEvent { book, sink in
            switch message.event {
            case .started(let pid): book.started(message.id, pid: pid, time: .now, sink)
            case .ended(let code, let text): book.ended(message.id, exitCode: code, message: text, time: .now, sink)
            }
        }
        link.reply(to: correlation, Acknowledged())
    }

    func submissionEvent(_ event: (inout SubmissionBook, (SubmissionBook.Action) -> Void) -> Void) {
        var actions: [SubmissionBook.Action] = []
        event(&submissions) { actions.append($0) }
        for action in actions { perform(action) }
    }

    private func perform(_ action: SubmissionBook.Action) {
        switch action {
        case .start(let specification, let node): nodeLinks[node]?.request(StartEntrypoint(specification: specification)) { [weak self] result in
            // One that does not answer is given the order again when it registers.
            if case .failure(let error) = result { self?.log.warning("a node did not take a job", metadata: ["job": "\(specification.id)", "error": "\(error)"]) }
        }
        case .stop(let id, let node): nodeLinks[node]?.request(StopEntrypoint(id: id)) { _ in }
        case .persist(let entry):
            var writer = MessagePackWriter()
            guard (try? ValueEncoder.encode(entry, into: &writer)) != nil else { return }
            submissionVersion += 1
            journal?.record([.putRow(StoredRow(table: Self.submissionTable, key: entry.row.id, value: writer.bytes, version: submissionVersion))])
        case .forget(let id):
            submissionVersion += 1
            journal?.record([.removeRow(table: Self.submissionTable, key: id, version: submissionVersion)])
        }
    }
}
