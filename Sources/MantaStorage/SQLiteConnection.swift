// SQLiteConnection: the whole boundary to SQLite: open, statements, errors. Nothing else in the platform calls the C library.
//
// A connection and its statements are used by one thread at a time. Every failure is a MantaError that names the file, what SQLite said, and what to do.

import CSQLite
import Glibc
import MantaModel

/// One open database file.
final class SQLiteConnection {
    let path: String
    private var handle: OpaquePointer?
    private var statements: [String: SQLiteStatement] = [:]

    /// Opens the file, which must exist.
    init(path: String) throws(MantaError) {
        self.path = path
        let code = sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, nil)
        guard code == SQLITE_OK else {
            let error = failure(code, "opening it")
            sqlite3_close_v2(handle)
            handle = nil
            throw error
        }
        sqlite3_extended_result_codes(handle, 1)
    }

    deinit { close() }

    func close() {
        statements = [:]
        sqlite3_close_v2(handle)
        handle = nil
    }

    /// Whether no transaction is open.
    var isIdle: Bool { sqlite3_get_autocommit(handle) != 0 }

    /// Runs statements that return no rows that matter.
    func execute(_ sql: String) throws(MantaError) {
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code, sql) }
    }

    /// A statement, prepared once per connection.
    func statement(_ sql: String) throws(MantaError) -> SQLiteStatement {
        if let statement = statements[sql] { return statement }
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw failure(code, sql) }
        let statement = SQLiteStatement(prepared, of: self, sql: sql)
        statements[sql] = statement
        return statement
    }

    /// The first column of the first row, as text.
    func text(_ sql: String) throws(MantaError) -> String? {
        let query = try statement(sql)
        defer { query.reset() }
        return try query.step() ? query.text(0) : nil
    }

    /// What a result code means for the people who run this.
    func failure(_ code: Int32, _ doing: String) -> MantaError {
        let said = handle.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(code))
        // A statement with values bound is never quoted with them: they can be secrets.
        let what = "\(doing.prefix(80)): SQLite error \(code), \(said)"
        switch code & 0xff {
        case SQLITE_FULL:
            return MantaError(.overloaded, "the disk of the store \(path) is full; nothing was changed; free some space and try again (\(what))")
        case SQLITE_IOERR where handle.map({ sqlite3_system_errno($0) }) == ENOSPC:
            return MantaError(.overloaded, "the disk of the store \(path) is full; nothing was changed; free some space and try again (\(what))")
        case SQLITE_CORRUPT, SQLITE_NOTADB:
            return MantaError(.malformed, "the store \(path) is damaged: \(said); put a backup in its place, or move it and its -wal file away to start an empty cluster (\(what))")
        case SQLITE_READONLY, SQLITE_PERM, SQLITE_CANTOPEN, SQLITE_AUTH:
            return MantaError(.system, "the store \(path) cannot be written: \(said); make the file and its folder writable for this user (\(what))")
        case SQLITE_BUSY, SQLITE_LOCKED:
            return MantaError(.addressInUse, "the store \(path) is locked by another program; close it (\(what))")
        default:
            return MantaError(.system, "the store \(path) failed (\(what))")
        }
    }
}

/// A prepared statement. `bind` in order, `step`, read columns, `reset`.
final class SQLiteStatement {
    private let handle: OpaquePointer
    private unowned let connection: SQLiteConnection
    private let sql: String

    fileprivate init(_ handle: OpaquePointer, of connection: SQLiteConnection, sql: String) {
        (self.handle, self.connection, self.sql) = (handle, connection, sql)
    }
    deinit { sqlite3_finalize(handle) }

    /// One value of a row.
    enum Value {
        case null
        case integer(Int64)
        case text(String)
        case blob([UInt8])
    }

    /// Binds all parameters and runs the statement to its end.
    func run(_ values: Value...) throws(MantaError) {
        defer { reset() }
        for (index, value) in values.enumerated() { try bind(value, at: Int32(index + 1)) }
        while try step() {}
    }

    /// Whether there is a row.
    func step() throws(MantaError) -> Bool {
        let code = sqlite3_step(handle)
        switch code {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default: throw connection.failure(code, sql)
        }
    }

    func reset() {
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
    }

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }
    func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }
    func text(_ column: Int32) -> String { sqlite3_column_text(handle, column).map { String(cString: $0) } ?? "" }
    func blob(_ column: Int32) -> [UInt8] {
        guard let start = sqlite3_column_blob(handle, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column))))
    }

    private func bind(_ value: Value, at index: Int32) throws(MantaError) {
        // The library copies what it is given (SQLITE_TRANSIENT, a macro that Swift cannot import).
        let copied = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
        let code: Int32 =
            switch value {
            case .null: sqlite3_bind_null(handle, index)
            case .integer(let number): sqlite3_bind_int64(handle, index, number)
            case .text(let text): sqlite3_bind_text(handle, index, text, Int32(text.utf8.count), copied)
            case .blob(let bytes):
                bytes.withUnsafeBytes { buffer in
                    // A null pointer would bind NULL instead of no bytes.
                    buffer.count == 0 ? sqlite3_bind_zeroblob(handle, index, 0) : sqlite3_bind_blob64(handle, index, buffer.baseAddress, UInt64(buffer.count), copied)
                }
            }
        guard code == SQLITE_OK else { throw connection.failure(code, sql) }
    }
}
