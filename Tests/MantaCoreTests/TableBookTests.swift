// TableBookTests: versions, conditions, watchers, and what a failing store undoes.

import MantaCore
import MantaModel
import Testing

@Suite struct TableBookTests {
    private func stage(_ book: inout TableBook, _ key: String, _ value: [UInt8], expected: UInt64? = nil) throws -> TableBook.Change {
        guard case .staged(let change) = try book.put("t", key, value, expectedVersion: expected) else { throw MantaError(.conflict, "not staged") }
        return change
    }
    private func remove(_ book: inout TableBook, _ key: String) throws -> TableBook.Change {
        let change = book.delete("t", key)
        return try #require(change)
    }
    private func put(_ book: inout TableBook, _ key: String, _ value: [UInt8], expected: UInt64? = nil) throws -> UInt64 {
        let change = try stage(&book, key, value, expected: expected)
        book.commit(through: change.number) { _ in }
        return change.version
    }

    @Test func everyChangeOfATableHasTheNextVersion() throws {
        var book = TableBook()
        #expect(try put(&book, "a", [1]) == 1)
        #expect(try put(&book, "b", [2]) == 2)
        let removal = try remove(&book, "a")
        book.commit(through: removal.number) { _ in }
        #expect(removal.version == 3)
        let second = book.delete("t", "a")
        #expect(second == nil)
        #expect(try put(&book, "b", [3]) == 4)
        #expect(book.snapshot("t").version == 4)
        #expect(book.snapshot("t").rows.map(\.key) == ["b"])
        #expect(book.snapshot("other").version == 0)
    }

    @Test func aConditionThatDoesNotHoldIsAConflictThatSaysWhatIsThere() throws {
        var book = TableBook()
        let version = try put(&book, "a", [1], expected: 0)
        let error = #expect(throws: MantaError.self) { try book.put("t", "a", [2], expectedVersion: 0) }
        #expect(error?.code == .conflict)
        #expect(error?.message.contains("version \(version)") == true)
        #expect(try put(&book, "a", [2], expected: version) == 2)
        #expect(throws: MantaError.self) { try book.put("t", "a", [3], expectedVersion: version) }
        #expect(throws: MantaError.self) { try book.put("t", "none", [3], expectedVersion: 5) }
    }

    /// F25: the answer was lost, the request comes again.
    @Test func theSamePutAgainGetsTheSameAnswer() throws {
        var book = TableBook()
        _ = try put(&book, "a", [1], expected: 0)
        #expect(try book.put("t", "a", [1], expectedVersion: 0) == .repeated(try #require(book.row("t", "a"))))
        _ = try put(&book, "a", [2])
        #expect(throws: MantaError.self) { try book.put("t", "a", [1], expectedVersion: 0) }
    }

    @Test func whatIsStagedIsCheckedAgainstButReadByNobody() throws {
        var book = TableBook()
        let first = try stage(&book, "a", [1], expected: 0)
        #expect(book.row("t", "a") == nil)
        #expect(throws: MantaError.self) { try book.put("t", "a", [2], expectedVersion: 0) }
        #expect(try book.put("t", "a", [1], expectedVersion: 0) == .repeated(try #require(first.row)))
        let second = try stage(&book, "a", [2], expected: first.version)
        let third = try remove(&book, "a")
        let fourth = try stage(&book, "a", [4], expected: 0)
        #expect([first, second, third, fourth].map(\.version) == [1, 2, 3, 4])
        book.commit(through: second.number) { _ in }
        #expect(book.row("t", "a")?.value == [2])
        book.commit(through: third.number) { _ in }
        #expect(book.row("t", "a") == nil)
        _ = try remove(&book, "a")  // the fourth is still staged
        book.commit(through: fourth.number) { _ in }
        #expect(book.row("t", "a")?.value == [4])
    }

    /// F19.
    @Test func aFailingStoreUndoesWhatWasStaged() throws {
        var book = TableBook()
        _ = try put(&book, "a", [1])
        _ = try stage(&book, "a", [2])
        _ = try stage(&book, "b", [2])
        _ = book.delete("t", "a")
        book.dropStaged()
        #expect(book.snapshot("t").rows.map(\.value) == [[1]])
        #expect(try put(&book, "a", [3], expected: 1) == 2)
    }

    @Test func watchersHearOfCommittedChangesInOrder() throws {
        var book = TableBook()
        _ = try put(&book, "a", [1])
        try book.watch("t", WatcherID(1))
        try book.watch("t", WatcherID(1))
        try book.watch("u", WatcherID(2))
        let first = try stage(&book, "a", [2])
        let second = try remove(&book, "a")
        var heard: [TableBook.Action] = []
        book.commit(through: second.number) { heard.append($0) }
        #expect(heard == [.notify(WatcherID(1), first), .notify(WatcherID(1), second)])
        book.unwatch(WatcherID(1))
        heard = []
        book.commit(through: try stage(&book, "a", [3]).number) { heard.append($0) }
        #expect(heard.isEmpty)
    }

    @Test func versionsGoOnAfterARestart() throws {
        var book = TableBook()
        book.restore([TableBook.Row(table: "t", key: "a", value: [1], version: 4)], versions: ["t": 9])
        #expect(book.snapshot("t").version == 9)
        #expect(try put(&book, "a", [2], expected: 4) == 10)
    }

    @Test func namesAndSizesAreLimited() throws {
        var book = TableBook()
        for (table, key) in [("", "a"), ("  ", "a"), (String(repeating: "t", count: 257), "a"), ("t", ""), ("t", String(repeating: "k", count: 1025)), ("t", "a\u{0}")] {
            let error = #expect(throws: MantaError.self) { try book.put(table, key, [], expectedVersion: nil) }
            #expect(error?.code == .invalidArgument)
        }
        let error = #expect(throws: MantaError.self) {
            try book.put("t", "a", Array(repeating: 0, count: TableBook.valueBytes + 1), expectedVersion: nil)
        }
        #expect(error?.code == .tooLarge)
        for number in 0..<TableBook.tableLimit { try book.watch("t\(number)", WatcherID(1)) }
        #expect(throws: MantaError.self) { try book.watch("one more", WatcherID(1)) }
    }
}
