// Head+Tables: reading, changing and watching rows. A change is answered and announced when it is durable.

import MantaCore
import MantaModel
import MantaStorage
import MantaTransport
import MantaWire

extension Head {
    func putRow(_ message: TablePut, _ correlation: Correlation, on link: Link) throws(MantaError) {
        if message.table == SnapshotTable.name { try checkSnapshot(message) }
        switch try tables.put(message.table, message.key, message.value, expectedVersion: message.expectedVersion) {
        case .repeated(let row):
            // The first one may be on its way to the disk.
            journal?.write([]) { error in
                if let error { link.fail(correlation, error) } else { link.reply(to: correlation, TableRow(entry: TableEntry(row))) }
            }
        case .staged(let change):
            write([change], correlation, on: link) { link.reply(to: correlation, TableRow(entry: change.row.map { TableEntry($0) })) }
        }
    }

    func deleteRow(_ message: TableDelete, _ correlation: Correlation, on link: Link) {
        let keys = message.isPrefix == true ? tables.keys(of: message.table, beginningWith: message.key) : [message.key]
        let changes = keys.compactMap { tables.delete(message.table, $0) }
        // Without a change: its removal may be on its way to the disk.
        write(changes, correlation, on: link) { link.reply(to: correlation, TableDeleted(count: changes.count)) }
    }

    private func write(_ changes: [TableBook.Change], _ correlation: Correlation, on link: Link, _ done: @escaping () -> Void) {
        let stored = changes.map { change -> StorageChange in
            guard let row = change.row else { return .removeRow(table: change.table, key: change.key, version: change.version) }
            return .putRow(StoredRow(table: row.table, key: row.key, value: row.value, version: row.version))
        }
        journal?.write(stored) { [self] error in
            if let error { return link.fail(correlation, error) }
            var actions: [TableBook.Action] = []
            if let last = changes.last { tables.commit(through: last.number) { actions.append($0) } }
            done()
            for case .notify(let watcher, let change) in actions {
                peers[watcher]?.link.send(TableChanged(table: change.table, key: change.key, value: change.row?.value, version: change.version))
            }
        }
    }

    /// A state is kept for the actor's present incarnation only: an earlier one may still run on a node that was given up.
    private func checkSnapshot(_ message: TablePut) throws(MantaError) {
        let snapshot = try ValueDecoder.decode(ActorSnapshot.self, from: message.value)
        guard let id = ActorID(message.key), let status = directory.status(id), status.state != .dead, status.restarts == snapshot.restarts else {
            throw MantaError(.actorDied, "actor \(message.key.prefix(8)) is dead, or lives again elsewhere; this state is not kept")
        }
    }

    /// A detached actor is dead for good: nobody will take up its state.
    func forgetSnapshot(of actor: ActorID) {
        guard let change = tables.delete(SnapshotTable.name, actor.description) else { return }
        journal?.record([.removeRow(table: change.table, key: change.key, version: change.version)]) { [self] error in
            if error == nil { tables.commit(through: change.number) { _ in } }
        }
    }

    func getRow(_ message: TableGet, _ correlation: Correlation, on link: Link) {
        link.reply(to: correlation, TableRow(entry: tables.row(message.table, message.key).map { TableEntry($0) }))
    }

    func watchTable(_ message: WatchTable, _ correlation: Correlation, on link: Link) throws(MantaError) {
        guard let watcher = link.notes?.watcher else { return }
        try tables.watch(message.table, watcher)
        let snapshot = tables.snapshot(message.table)
        link.reply(to: correlation, TableSnapshot(table: message.table, version: snapshot.version, entries: snapshot.rows.map { TableEntry($0) }))
    }
}
