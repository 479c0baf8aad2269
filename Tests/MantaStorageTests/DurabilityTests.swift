// DurabilityTests: what is left after a power cut at any point of a write, and after the disk was full.

import Foundation
import MantaModel
import MantaStorage
import Synchronization
import Testing

@Suite struct DurabilityTests {
    /// Puts the files of a running store, as a power cut would leave them, into another folder.
    private func image(of folder: Folder, logBytes: Int? = nil) throws -> Folder {
        let copy = try Folder()
        try FileManager.default.copyItem(atPath: folder.file, toPath: copy.file)
        var log = try Data(contentsOf: URL(fileURLWithPath: folder.file + "-wal"))
        if let logBytes { log = log.prefix(logBytes) }
        try log.write(to: URL(fileURLWithPath: copy.file + "-wal"))
        return copy
    }

    /// The numbers that a store of `put`s holds.
    private func numbers(in folder: Folder) throws -> [UInt64] {
        let store = try SQLiteStorage(directory: folder.path)
        defer { store.close() }
        return try store.load().rows.map(\.version).sorted()
    }

    private func put(_ number: UInt64) -> [StorageChange] {
        // Two rows in one change: half of it must never be seen.
        [.putRow(row("\(number)", Array(repeating: 3, count: 300), version: number)), .putRow(row("\(number)", [], version: number, table: "twin"))]
    }

    /// F23.
    @Test func aPowerCutLeavesAPrefixOfTheChangesAndAllThatWereAcknowledged() throws {
        let folder = try Folder()
        let store = try SQLiteStorage(directory: folder.path)
        defer { store.close() }
        var generator = Seeded(state: 7)
        for number in 1...40 as ClosedRange<UInt64> {
            try store.apply(put(number))
            if number % 4 == 0 {
                let whole = try numbers(in: image(of: folder))
                #expect(whole == (1...number).flatMap { [$0, $0] })
                let size = try FileManager.default.attributesOfItem(atPath: folder.file + "-wal")[.size] as? Int ?? 0
                let cut = try numbers(in: image(of: folder, logBytes: Int.random(in: 0...size, using: &generator)))
                #expect(cut == (1..<UInt64(cut.count / 2 + 1)).flatMap { [$0, $0] })
            }
        }
    }

    /// F23, with the copy made while the writer works.
    @Test func anImageTakenDuringWritesHasAllThatWasAcknowledgedBefore() async throws {
        let folder = try Folder()
        let store = try SQLiteStorage(directory: folder.path)
        let acknowledged = Mutex<UInt64>(0)
        let writer = Task.detached { [self] in
            for number in 1...200 as ClosedRange<UInt64> {
                try store.apply(put(number))
                acknowledged.withLock { $0 = number }
            }
        }
        for _ in 0..<8 {
            let before = acknowledged.withLock { $0 }
            let found = try numbers(in: image(of: folder))
            #expect(found.count >= 2 * Int(before))
            #expect(found == (1..<UInt64(found.count / 2 + 1)).flatMap { [$0, $0] })
        }
        try await writer.value
        store.close()
    }

    /// F19.
    @Test func aFullDiskFailsChangesLosesNothingAndRecovers() throws {
        let folder = try Folder()
        let store = try SQLiteStorage(directory: folder.path, pageLimit: 64)
        var kept: [UInt64] = []
        var error: MantaError?
        for number in 1...2000 as ClosedRange<UInt64> {
            error = failure { () throws(MantaError) in try store.apply(put(number)) }
            if error != nil { break }
            kept.append(number)
        }
        #expect(error?.code == .overloaded)
        #expect(error?.message.contains(folder.file) == true)
        #expect(error?.message.contains("free some space") == true)
        #expect(kept.count > 50)
        for number in 1...20 as ClosedRange<UInt64> {
            try store.apply([.removeRow(table: "endpoints", key: "\(number)", version: 0), .removeRow(table: "twin", key: "\(number)", version: 0)])
        }
        try store.apply(put(5000))
        store.close()
        #expect(try numbers(in: folder) == (kept.filter { $0 > 20 } + [5000]).flatMap { [$0, $0] })
    }

    @Test func changesOfManyThreadsAreAllKept() async throws {
        let folder = try Folder()
        let store = try SQLiteStorage(directory: folder.path)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...500 as ClosedRange<UInt64> {
                group.addTask { [self] in
                    let changes = put(number)
                    try await withCheckedThrowingContinuation { (done: CheckedContinuation<Void, any Error>) in
                        store.apply(changes) { error in if let error { done.resume(throwing: error) } else { done.resume() } }
                    }
                }
            }
            try await group.waitForAll()
        }
        store.close()
        #expect(try numbers(in: folder) == (1...500).flatMap { [$0, $0] })
    }

    @Test func anEmptyFileOfACrashDuringCreationBecomesAStore() throws {
        let folder = try Folder()
        try Data().write(to: URL(fileURLWithPath: folder.file))
        let store = try SQLiteStorage(directory: folder.path)
        #expect(try store.load().rows.isEmpty)
        store.close()
    }
}

/// The same numbers in every run.
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 29)
    }
}
