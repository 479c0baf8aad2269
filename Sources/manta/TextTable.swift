// TextTable: rows under headings, in columns as wide as their widest cell, for a terminal.

import Glibc

struct TextTable {
    let headings: [String]
    private(set) var rows: [[String]] = []
    /// Cells longer than this are cut, with an ellipsis; none are cut when the output is no terminal.
    private let widthLimit = isatty(1) == 1 ? 48 : Int.max

    init(_ headings: [String]) { self.headings = headings }

    mutating func add(_ cells: [String]) {
        rows.append(cells.map { cell in
            let line = cell.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
            return line.count > widthLimit ? line.prefix(widthLimit - 1) + "…" : line
        })
    }

    var text: String {
        let widths = headings.indices.map { column in ([headings] + rows).map { $0[column].count }.max() ?? 0 }
        return ([headings] + rows).map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                if column + 1 < row.count { line += String(repeating: " ", count: widths[column] - cell.count + 2) }
            }
            return line
        }.joined(separator: "\n")
    }
}
