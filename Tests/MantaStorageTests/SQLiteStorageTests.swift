// SQLiteStorageTests: what the store keeps over a restart, and how it refuses what it must not open.

import CSQLite
import Foundation
import MantaModel
import MantaStorage
import Testing

/// A folder of its own for one test.
final class Folder {
    let path = NSTemporaryDirectory() + "manta-storage-" + UUID().uuidString
    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(atPath: path) }
    var file: String { path + "/head.sqlite" }
}

func row(_ key: String, _ value: [UInt8] = [1], version: UInt64 = 1, table: String = "endpoints") -> StoredRow {
    StoredRow(table: table, key: key, value: value, version: version)
}

/// Changes a database as another program would.
func sqlite(_ path: String, _ sql: String) throws {
    var database: OpaquePointer?
    defer { sqlite3_close_v2(database) }
    try #require(sqlite3_open(path, &database) == SQLITE_OK)
    try #require(sqlite3_exec(database, sql, nil, nil, nil) == SQLITE_OK)
}

func failure(_ body: () throws(MantaError) -> Void) -> MantaError? {
    do {
        try body()
        return nil
    } catch {
        return error
    }
}

@Suite struct SQLiteStorageTests {
    @Test func everythingComesBackAfterAReopen() throws {
        let folder = try Folder()
        let store = try SQLiteStorage(directory: folder.path)
        let cluster = try store.load().cluster
        let job = StoredJob(id: .random(), state: .running, description: [1, 2, 3], incarnation: "boot/8")
        let ended = StoredJob(id: .random(), state: .failed, description: [], endedAt: WallTime(milliseconds: 5))
        let actor = StoredActor(id: .random(), specification: Array(0...255), state: .restarting, restarts: 3, createdAt: WallTime(milliseconds: 9))
        let gone = StoredActor(id: .random(), specification: [1], state: .alive, restarts: 0, createdAt: WallTime(milliseconds: 1))
        let node = StoredNode(id: .random(), host: "here", pid: 4, incarnation: "boot/7")
        try store.apply([.putJob(job), .putJob(ended), .putActor(actor), .putActor(gone), .putNode(node)])
        let left = StoredNode(id: .random(), host: "", pid: 0, incarnation: nil)
        try store.apply([.putNode(left), .removeNode(.random()), .removeNode(left.id)])
        try store.apply([.putRow(row("a", [])), .putRow(row("b", [7], version: 2)), .removeActor(gone.id), .removeJob(.random())])
        try store.apply([.putRow(row("a", [9], version: 3)), .removeRow(table: "endpoints", key: "b", version: 4)])
        store.close()

        let again = try SQLiteStorage(directory: folder.path)
        let state = try again.load()
        #expect(state.cluster == cluster)
        #expect(state.nodes == [node])
        #expect(Set(state.jobs) == [job, ended])
        #expect(state.actors == [actor])
        #expect(state.rows == [row("a", [9], version: 3)])
        #expect(state.tableVersions == ["endpoints": 4])
        again.close()
    }

    @Test func theSameChangesMakeTheSameStateInMemory() throws {
        let folder = try Folder()
        let memory = MemoryStorage()
        let disk = try SQLiteStorage(directory: folder.path)
        let changes: [StorageChange] = [
            .putRow(row("a")), .putRow(row("a", [2], version: 2)), .putRow(row("b", version: 1, table: "other")),
            .removeRow(table: "endpoints", key: "a", version: 3), .removeRow(table: "none", key: "x", version: 8),
        ]
        for change in changes + changes.reversed() {
            try memory.apply([change])
            try disk.apply([change])
        }
        disk.close()
        let found = try SQLiteStorage(directory: folder.path).load()
        #expect(try Set(found.rows) == Set(memory.load().rows))
        #expect(try found.tableVersions == memory.load().tableVersions)
    }

    @Test func aStoreOfTheFirstReleaseIsBroughtUp() throws {
        let folder = try Folder()
        let store = try SQLiteStorage(directory: folder.path)
        let job = StoredJob(id: .random(), state: .running, description: [])
        try store.apply([.putRow(row("a")), .putJob(job)])
        store.close()
        try sqlite(folder.file, "DROP TABLE nodes; ALTER TABLE jobs DROP COLUMN incarnation; PRAGMA user_version = 1")
        let again = try SQLiteStorage(directory: folder.path)
        #expect(try again.load().rows == [row("a")])
        #expect(try again.load().jobs == [job])
        try again.apply([.putNode(StoredNode(id: .random(), host: "h", pid: 1, incarnation: nil))])
        again.close()
    }

    @Test func aStoreOfALaterReleaseIsRefused() throws {
        let folder = try Folder()
        try SQLiteStorage(directory: folder.path).close()
        try sqlite(folder.file, "PRAGMA user_version = 99")
        let error = failure { () throws(MantaError) in _ = try SQLiteStorage(directory: folder.path) }
        #expect(error?.code == .versionMismatch)
        #expect(error?.message.contains("99") == true)
    }

    @Test func aDatabaseOfAnotherProgramIsRefused() throws {
        let folder = try Folder()
        try Data().write(to: URL(fileURLWithPath: folder.file))
        try sqlite(folder.file, "CREATE TABLE songs (title)")
        #expect(failure { () throws(MantaError) in _ = try SQLiteStorage(directory: folder.path) }?.code == .malformed)
    }

    @Test func aSecondHeadIsRefusedAndToldWhoHoldsTheStore() throws {
        let folder = try Folder()
        let first = try SQLiteStorage(directory: folder.path)
        let error = failure { () throws(MantaError) in _ = try SQLiteStorage(directory: folder.path) }
        #expect(error?.code == .addressInUse)
        #expect(error?.message.contains("process \(getpid())") == true)
        #expect(error?.message.contains(folder.file) == true)
        first.close()
        try SQLiteStorage(directory: folder.path).close()
    }

    @Test func onlyTheOwnerMayReadTheFiles() throws {
        let folder = try Folder()
        let directory = folder.path + "/a/b"
        let store = try SQLiteStorage(directory: directory)
        try store.apply([.putRow(row("a"))])
        for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
            let mode = try FileManager.default.attributesOfItem(atPath: directory + "/" + name)[.posixPermissions] as? Int
            #expect(mode == 0o600, "\(name)")
        }
        let mode = try FileManager.default.attributesOfItem(atPath: directory)[.posixPermissions] as? Int
        #expect(mode == 0o700)
        store.close()
    }

    @Test func aDamagedFileIsRefused() throws {
        let folder = try Folder()
        let store = try SQLiteStorage(directory: folder.path)
        for key in 0..<200 { try store.apply([.putRow(row("\(key)", Array(repeating: 7, count: 500), version: UInt64(key + 1)))]) }
        store.close()
        var bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: folder.file)))
        for index in stride(from: 4096 * 8, to: bytes.count, by: 97) { bytes[index] ^= 0xff }
        try Data(bytes).write(to: URL(fileURLWithPath: folder.file))
        let error = failure { () throws(MantaError) in _ = try SQLiteStorage(directory: folder.path) }
        #expect(error?.code == .malformed)
        #expect(error?.message.contains(folder.file) == true)
        #expect(error?.message.contains("backup") == true)
    }

    @Test func aFileThatIsNoStoreIsRefusedAndKept() throws {
        let folder = try Folder()
        let text = Data("this is a letter to a friend, not a database".utf8)
        try text.write(to: URL(fileURLWithPath: folder.file))
        let error = failure { () throws(MantaError) in _ = try SQLiteStorage(directory: folder.path) }
        #expect(error?.code == .malformed)
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file)) == text)
    }

    @Test func aPlaceThatCannotBeWrittenIsNamed() throws {
        let folder = try Folder()
        try Data().write(to: URL(fileURLWithPath: folder.path + "/file"))
        let error = failure { () throws(MantaError) in _ = try SQLiteStorage(directory: folder.path + "/file/store") }
        #expect(error?.code == .system)
        #expect(error?.message.contains(folder.path + "/file") == true)

        try FileManager.default.createDirectory(atPath: folder.file, withIntermediateDirectories: false)
        let other = failure { () throws(MantaError) in _ = try SQLiteStorage(directory: folder.path) }
        #expect(other?.code == .system)
        #expect(other?.message.contains(folder.file) == true)
    }

    @Test func afterCloseChangesFail() throws {
        let folder = try Folder()
        let store = try SQLiteStorage(directory: folder.path)
        store.close()
        store.close()
        #expect(failure { () throws(MantaError) in try store.apply([.putRow(row("a"))]) }?.code == .unavailable)
    }
}
