// Head+Tables: reading, changing and watching rows. A change is answered and announced when it is durable.

import MantaCore
import MantaModel
import MantaStorage
import MantaTransport
import MantaWire

extension Head {
    func putRow(_ message: TablePut, _ correlation: Correlation, on link: Link) throws(MantaError) {
        switch try tables.put(message.table, message.key, message.value, expectedVersion: message.expectedVersion) {
        case .repeated(let row):
            // The first one may be on its way to the disk.
            journal?.write([]) { error in
                if let error { link.fail(correlation, error) } else { link.reply(to: correlation, TableRow(entry: TableEntry(row))) }
            }
        case .staged(let change):
            write(change, correlation, on: link) { link.reply(to: correlation, TableRow(entry: change.row.map { TableEntry($0) })) }
        }
    }

    func deleteRow(_ message: TableDelete, _ correlation: Correlation, on link: Link) {
        guard let change = tables.delete(message.table, message.key) else {
            // Its removal may be on its way to the disk.
            journal?.write([]) { error in if let error { link.fail(correlation, error) } else { link.reply(to: correlation, Acknowledged()) } }
            return
        }
        write(change, correlation, on: link) { link.reply(to: correlation, Acknowledged()) }
    }

    private func write(_ change: TableBook.Change, _ correlation: Correlation, on link: Link, _ done: @escaping () -> Void) {
        let stored: StorageChange =
            if let row = change.row {
                .putRow(StoredRow(table: row.table, key: row.key, value: row.value, version: row.version))
            } else {
                .removeRow(table: change.table, key: change.key, version: change.version)
            }
        journal?.write([stored]) { [self] error in
            if let error { return link.fail(correlation, error) }
            var actions: [TableBook.Action] = []
            tables.commit(through: change.number) { actions.append($0) }
            done()
            for case .notify(let watcher, let change) in actions {
                peers[watcher]?.link.send(TableChanged(table: change.table, key: change.key, value: change.row?.value, version: change.version))
            }
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
