// Head: the tables, as the head tells them and tells their changes. While the head is away, the last ones hold.

import Logging
import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension ProxyLane {
    /// The link to the head stands, for the first time or again: everything is asked for anew, since changes may have been missed.
    func headOpened() {
        for name in ProxyTables.names { watch(name) }
    }

    private func watch(_ table: String) {
        // Without a deadline: the link sends the request again for as long as it takes.
        head.request(WatchTable(table: table), deadline: nil) { [weak self] result in
            guard let self else { return }
            switch result {
            case .success(let snapshot):
                tables.replace(snapshot, complain: complain)
                markStale()
            case .failure(let error): logger.error("the head does not tell a table", metadata: ["table": "\(table)", "error": "\(error)"])
            }
        }
    }

    func receivedChange(_ message: inout InboundMessage) {
        do {
            let change = try message.decode(TableChanged.self)
            if tables.apply(change, complain: complain) { markStale() } else { watch(change.table) }
        } catch { complain("a change of a table cannot be read: \(error)") }
    }

    private func complain(_ text: String) { logger.error("\(text)") }

    /// Several changes of one turn are taken over at once.
    private func markStale() {
        guard !isStale else { return }
        isStale = true
        loop.later { [weak self] in self?.refresh() }
    }

    /// Takes the tables over.
    func refresh() {
        isStale = false
        router.update(endpoints: Array(tables.endpoints.rows.values), backends: Array(tables.backends.rows.values), replicas: Array(tables.replicas.rows.values))
        connectReplicas()
        for backend in 0..<router.backendCount { sendWaiting(backend) }
        save()
    }

    private func save() {
        guard isFirst, !isSaving, tables.told.count == ProxyTables.names.count else { return }
        isSaving = true
        loop.schedule(after: .milliseconds(200)) { [weak self] in
            guard let self else { return }
            isSaving = false
            do throws(MantaError) { try tables.save(in: configuration.directory) } catch { complain(error.message) }
        }
    }

    func sendErrors(_ rows: [ErrorRow]) { head.send(ReportErrors(errors: rows)) }
}
