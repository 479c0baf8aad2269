// ProgressBar: how far a count has come, redrawn in one line of a terminal; plain lines, one for each tenth, where there is none.

import Foundation
import Glibc

struct ProgressBar {
    private let total: Int
    private let isTerminal = isatty(2) == 1
    private let began = ContinuousClock.now
    private var tenth = -1

    init(total: Int) { self.total = total }

    mutating func show(_ done: Int) {
        let share = total == 0 ? 1 : Double(done) / Double(total)
        let rate = Double(done) / max((ContinuousClock.now - began).seconds, 1e-6)
        if isTerminal {
            let filled = Int(share * 40)
            let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 40 - filled)
            write("\r\(bar) \(done)/\(total)  \(Int(rate))/s ")
            if done == total { write("\n") }
        } else if Int(share * 10) > tenth {
            tenth = Int(share * 10)
            write("\(done)/\(total)  \(Int(rate))/s\n")
        }
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
