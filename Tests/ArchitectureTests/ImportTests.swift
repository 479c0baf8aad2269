// ImportTests: imports point only down the list of modules, and the runtime stays free of Foundation.
//
// `modules` is the architecture: bottom first. A module may import modules of a lower layer, and those that stand before it in its own.

import Foundation
import Testing

/// The layers, bottom first.
let layers: [[String]] = [
    ["CZeroMQ", "CMicrohttpd", "CJansson", "CSQLite", "CSystem"],
    ["MantaModel"],
    ["MantaLog", "MantaLoop", "MantaMemory", "MantaJSON", "MantaHTTP"],
    ["MantaWire", "MantaTransport"],
    ["MantaCore"],
    ["MantaStorage", "MantaHead", "MantaNode", "MantaWorker", "MantaProxy"],
    ["MantaMacros", "Manta"],
    ["MantaServe"],
    ["MantaAdmin"],
    ["manta"],
    ["Quickstart", "Echo", "DocumentClassifier", "PlainHTTP", "PostTitles", "Tour", "Probe"],
]
/// Beside the layers: simulations see the cores only, the test kit the bricks only.
let asideImports: [String: Set<String>] = [
    "MantaSimulation": ["MantaModel", "MantaCore"],
    "simulate": ["MantaSimulation", "MantaModel", "MantaCore"],
    "chaos": ["Manta", "MantaModel", "MantaLoop", "MantaWire", "MantaWorker", "MantaSimulation"],
    "MantaTestKit": ["MantaModel", "MantaLoop"],
    "MantaTestCluster": ["Manta", "MantaModel", "MantaLoop", "MantaWire", "MantaWorker", "MantaTestKit"],
]
let rank = Dictionary(uniqueKeysWithValues: layers.joined().enumerated().map { ($1, $0) })
/// Programs and tests may use Foundation; workers start in two milliseconds because nothing below does.
let foundationAllowed: Set<String> = ["manta", "Quickstart", "Echo", "DocumentClassifier", "PlainHTTP", "PostTitles", "Tour", "simulate", "chaos"]

struct ImportTests {
    /// The module an import line names, without attributes, access level and kind.
    static func importedModule(_ line: String) -> String? {
        var words = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == ";" })
        while let first = words.first, first.hasPrefix("@") || ["public", "package", "internal", "private", "fileprivate"].contains(String(first)) {
            words.removeFirst()
        }
        guard words.first == "import", words.count > 1 else { return nil }
        words.removeFirst()
        if words.count > 1, ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"].contains(String(words[0])) { words.removeFirst() }
        return String(words[0].split(separator: ".")[0])
    }

    @Test func importsPointDown() {
        var violations: [Violation] = []
        for file in Checkout.swiftFiles {
            guard let module = file.module else { continue }
            for (index, line) in file.code.enumerated() {
                guard let imported = Self.importedModule(line), rank[imported] != nil || asideImports[imported] != nil else { continue }
                if let allowed = asideImports[module] {
                    if !allowed.contains(imported) {
                        violations.append(Violation(file, line: index + 1, "\(module) may import only \(allowed.sorted().joined(separator: ", ")), not \(imported)"))
                    }
                } else if let own = rank[module] {
                    guard let other = rank[imported] else {
                        violations.append(Violation(file, line: index + 1, "\(imported) stands beside the product; only tests may import it"))
                        continue
                    }
                    if other >= own {
                        violations.append(
                            Violation(file, line: index + 1, "\(module) imports \(imported), which lies above it; move the code that needs it up, or what it needs down"))
                    }
                } else {
                    violations.append(Violation(file, line: index + 1, "the module \(module) is in no layer; give it a place in ImportTests.swift and the architecture"))
                }
            }
        }
        report(violations)
    }

    @Test func librariesDoWithoutFoundation() {
        var violations: [Violation] = []
        for file in Checkout.swiftFiles {
            guard let module = file.module, !foundationAllowed.contains(module) else { continue }
            for (index, line) in file.code.enumerated() {
                guard let imported = Self.importedModule(line), imported.hasPrefix("Foundation") else { continue }
                violations.append(Violation(file, line: index + 1, "\(module) imports \(imported), which slows every worker's start; use Glibc, Synchronization or MantaLoop"))
            }
        }
        report(violations)
    }

    @Test func everyModuleOfThePackageHasAPlace() {
        let manifest = (try? String(contentsOf: Checkout.root.appending(path: "Package.swift"), encoding: .utf8)) ?? ""
        let pattern = /(?:module|program)\(\s*"([A-Za-z]+)"/
        let names = manifest.matches(of: pattern).map { String($0.1) }
        #expect(names.count > 10, "Package.swift could not be read")
        for name in names {
            #expect(rank[name] != nil || asideImports[name] != nil, "Package.swift has the module \(name): give it a place in ImportTests.swift")
        }
    }

    @Test(arguments: [
        ("import Manta", "Manta"), ("package import MantaModel", "MantaModel"), ("@testable import MantaCore", "MantaCore"),
        ("public import struct MantaModel.NodeID", "MantaModel"), ("internal import Foundation", "Foundation"),
    ])
    func anImportLineIsRead(_ line: String, _ module: String) { #expect(Self.importedModule(line) == module) }

    @Test(arguments: ["let important = 1", "// import Manta", "importer.run()", ""])
    func otherLinesAreNoImports(_ line: String) { #expect(Self.importedModule(line) == nil) }
}
