// RowSelectionTests: listings show what was asked for, and count all that meets it.

import MantaCore
import MantaModel
import Testing

@Suite struct RowSelectionTests {
    private let rows = (1...100).map { number in
        TaskRow(
            id: TaskID(high: 0, low: number), job: JobID(high: 0, low: number % 2), function: "M.f(x:)", state: number % 10 == 0 ? .running : .finished, attempt: 1,
            submittedAt: WallTime(milliseconds: Int64(number)))
    }
    private func keys(_ page: RowPage<TaskRow>) -> [UInt64] { page.rows.map(\.id.low) }

    @Test func countsAreOfAllRowsAndRowsOfOnePage() throws {
        let all = try RowSelection(limit: 3).select(rows)
        #expect((keys(all), all.total, all.hasMore) == ([1, 2, 3], 100, true))
        #expect(all.states == ["running": 10, "finished": 90])
        let running = try RowSelection(filters: [RowFilter("state", "running")], limit: 20).select(rows)
        #expect((running.rows.count, running.total, running.hasMore) == (10, 10, false))
        #expect(running.states == ["running": 10])
    }

    @Test func conditionsMustAllHold() throws {
        let odd = RowFilter("job", JobID(high: 0, low: 1).description)
        let page = try RowSelection(filters: [odd, RowFilter("state", isEqual: false, "RUNNING"), RowFilter("actor", "")], limit: 2).select(rows)
        #expect((keys(page), page.total) == ([1, 3], 50))
    }

    @Test func aPageGoesOnBehindARowThatIsNoLongerWantedItself() throws {
        let page = try RowSelection(filters: [RowFilter("state", "running")], after: TaskID(high: 0, low: 25).description, limit: 2).select(rows)
        #expect((keys(page), page.total, page.hasMore) == ([30, 40], 10, true))
        let last = try RowSelection(after: TaskID(high: 0, low: 100).description, limit: 2).select(rows)
        #expect((last.rows.isEmpty, last.total, last.hasMore) == (true, 100, false))
    }

    @Test func unknownMembersAndRowsAreErrors() {
        let member = #expect(throws: MantaError.self) { try RowSelection(filters: [RowFilter("color", "red")], limit: 1).select(rows) }
        #expect(member?.code == .invalidArgument)
        #expect(member?.message.contains("function") == true)
        let row = #expect(throws: MantaError.self) { try RowSelection(after: "nobody", limit: 1).select(rows) }
        #expect(row?.code == .notFound)
    }
}
