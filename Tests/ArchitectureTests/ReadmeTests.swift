// ReadmeTests: what the README promises exists: its program is the one that is built, its files are there, its commands are the real ones.

import Foundation
import Testing

struct ReadmeTests {
    static let text = (try? String(contentsOf: Checkout.root.appending(path: "README.md"), encoding: .utf8)) ?? ""

    @Test func itsProgramIsTheOneThatIsBuilt() throws {
        let source = try String(contentsOf: Checkout.root.appending(path: "Sources/Examples/Quickstart/Quickstart.swift"), encoding: .utf8)
        let program = source.split(separator: "\n", omittingEmptySubsequences: false).drop { $0.hasPrefix("//") || $0.isEmpty }.joined(separator: "\n")
        #expect(Self.text.contains(program), "copy Sources/Examples/Quickstart/Quickstart.swift into README.md, without its opening statement")
    }

    @Test func everyFileItNamesIsThere() {
        for match in Self.text.matches(of: /`((?:Sources|Tests|config|deploy|web)\/[A-Za-z0-9_\/.+-]*)`/) {
            let path = String(match.1)
            #expect(FileManager.default.fileExists(atPath: Checkout.root.appending(path: path).path), "README.md names \(path), which is not there")
        }
    }

    @Test func everyModuleIsOnItsTour() {
        for module in layers.joined() + Array(asideImports.keys) where !module.hasPrefix("C") && module != "Probe" {
            #expect(Self.text.contains(module), "README.md does not say what \(module) is")
        }
    }
}
