// CallTests: calls and words that must not stand in the code, each with what to write instead.
//
// Only code is searched, not comments and strings, except for unfinished-work marks, which are searched everywhere.

import Foundation
import Testing

/// Text that is banned in a set of files.
struct Ban: Sendable {
    let text: String
    let advice: String
    /// A comment on the line or above it, which gives a reason, lifts the ban.
    var mayBeExplained = false
    let applies: @Sendable (SourceFile) -> Bool
    /// A line holds the text as a whole word: not as the end of a longer name.
    func isBroken(by line: String) -> Bool {
        var rest = line[...]
        while let found = rest.range(of: text) {
            let before = rest[..<found.lowerBound].last ?? line[..<found.lowerBound].last
            if before.map({ !$0.isLetter && !$0.isNumber && $0 != "_" && $0 != "." }) ?? true { return true }
            rest = rest[found.upperBound...]
        }
        return false
    }
}

struct CallTests {
    static func isLibrary(_ file: SourceFile) -> Bool { file.module.map { !foundationAllowed.contains($0) } ?? false }

    static let bans: [Ban] = [
        Ban(text: "try!", advice: "throw or handle the error; a bug is a precondition with its reason", applies: { _ in true }),
        Ban(text: "fatalError(", advice: "operating failures are errors; a bug is a precondition with its reason", applies: { _ in true }),
        Ban(text: "print(", advice: "a library does not write to standard output; log, or return the text", applies: isLibrary),
        Ban(text: "debugPrint(", advice: "a library does not write to standard output; log, or return the text", applies: { _ in true }),
        Ban(text: "sleep(", advice: "wait for a condition with a deadline, not for time to pass; if it is the work itself, say so", mayBeExplained: true, applies: \.isTest),
        Ban(text: "usleep(", advice: "wait for a condition with a deadline, not for time to pass; if it is the work itself, say so", mayBeExplained: true, applies: \.isTest),
        Ban(text: "Task.sleep(", advice: "wait for a condition with a deadline, not for time to pass; if it is the work itself, say so", mayBeExplained: true, applies: \.isTest),
        Ban(text: "Thread.sleep(", advice: "wait for a condition with a deadline, not for time to pass; if it is the work itself, say so", mayBeExplained: true, applies: \.isTest),
    ]

    @Test func noBannedCallStandsInTheCode() {
        var violations: [Violation] = []
        for file in Checkout.swiftFiles {
            for ban in Self.bans where ban.applies(file) {
                for (index, line) in file.code.enumerated() where ban.isBroken(by: line) && !(ban.mayBeExplained && file.isExplained(at: index)) {
                    violations.append(Violation(file, line: index + 1, "\(ban.text): \(ban.advice)"))
                }
            }
        }
        report(violations)
    }

    @Test func nothingIsLeftToDo() {
        let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X:"]
        var violations: [Violation] = []
        for file in Checkout.files where FileTests.openings[file.language] != nil {
            for (index, line) in file.lines.enumerated() {
                for mark in marks where Ban(text: mark, advice: "", applies: { _ in true }).isBroken(by: line) {
                    violations.append(Violation(file, line: index + 1, "\(mark): finish it, or describe the limit as it is"))
                }
            }
        }
        report(violations)
    }

    @Test func uncheckedSendableGivesItsReason() {
        var violations: [Violation] = []
        for file in Checkout.swiftFiles {
            for (index, line) in file.code.enumerated() where line.contains("@unchecked Sendable") {
                if !file.isExplained(at: index) {
                    violations.append(Violation(file, line: index + 1, "@unchecked Sendable: say beside it why it is safe (which lock, which loop)"))
                }
            }
        }
        report(violations)
    }

    @Test func theSearchSeesCodeOnly() {
        let text = """
            // try! in a comment
            let a = "try! \\(try! f("x")) in a string"
            let b = #"raw \\(try! no)"#
            /* try! /* nested */ try! */ let c = try! g()
            """
        let code = SourceFile(path: "Sources/X/A.swift", text: text).code
        let ban = Self.bans[0]
        #expect(code.map(ban.isBroken) == [false, true, false, true])
        #expect(!Ban(text: "print(", advice: "", applies: { _ in true }).isBroken(by: "fingerprint(x); log.print(y)"))
    }
}
