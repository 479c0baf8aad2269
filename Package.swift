// swift-tools-version: 6.2
// Manta's modules. Folder names are the architecture: a target may depend only on targets above it in this file.
// MANTA_ONLY=A,B keeps only the named targets and what they need, for a quick build of one part.

import CompilerPluginSupport
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]

let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let collections: Target.Dependency = .product(name: "Collections", package: "swift-collections")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

func module(_ name: String, _ dependencies: [Target.Dependency], path: String? = nil, settings: [SwiftSetting] = strict) -> Target {
    .target(name: name, dependencies: dependencies, path: path, swiftSettings: settings)
}
func program(_ name: String, _ dependencies: [Target.Dependency], path: String? = nil) -> Target {
    .executableTarget(name: name, dependencies: dependencies, path: path, swiftSettings: strict)
}
func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

var targets: [Target] = [
    // Libraries of the system
    .systemLibrary(name: "CZeroMQ", pkgConfig: "libzmq", providers: [.apt(["libzmq3-dev"])]),
    .systemLibrary(name: "CMicrohttpd", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
    .systemLibrary(name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
    .target(name: "CSystem"),
    // Nouns
    module("MantaModel", []),
    // Bricks
    module("MantaLog", ["CSystem", "MantaModel", logging]),
    module("MantaLoop", ["CSystem", "MantaModel", collections]),
    module("MantaMemory", ["CSystem", "MantaModel"]),
    module("MantaJSON", ["CJansson", "MantaModel"]),
    module("MantaHTTP", ["CMicrohttpd", "CSystem", "MantaModel", "MantaLoop"]),
    // Messages
    module("MantaWire", ["MantaModel", "MantaMemory"]),
    module("MantaTransport", ["CZeroMQ", "CSystem", "MantaModel", "MantaLoop", "MantaMemory", "MantaWire"]),
    // Cores
    module("MantaCore", ["MantaModel", "MantaMemory", collections]),
    // Services
    module("MantaStorage", ["CSQLite", "MantaModel"]),
    module("MantaHead", ["MantaModel", "MantaLog", "MantaLoop", "MantaWire", "MantaTransport", "MantaCore", "MantaStorage", logging]),
    module("MantaNode", ["CSystem", "MantaModel", "MantaLog", "MantaLoop", "MantaMemory", "MantaWire", "MantaTransport", "MantaCore", logging]),
    module("MantaWorker", ["CSystem", "MantaModel", "MantaLog", "MantaLoop", "MantaMemory", "MantaWire", "MantaTransport", "MantaCore", logging]),
    module("MantaProxy", ["MantaModel", "MantaLog", "MantaLoop", "MantaHTTP", "MantaJSON", "MantaWire", "MantaTransport", "MantaCore", logging]),
    // API
    .macro(
        name: "MantaMacros",
        dependencies: [
            .product(name: "SwiftSyntaxMacros", package: "swift-syntax"),
            .product(name: "SwiftCompilerPlugin", package: "swift-syntax"),
        ], swiftSettings: [.swiftLanguageMode(.v6), .treatAllWarnings(as: .error)]),
    module(
        "Manta",
        [
            "CSystem", "MantaMacros", "MantaModel", "MantaLog", "MantaLoop", "MantaMemory", "MantaWire", "MantaTransport", "MantaCore", "MantaHead", "MantaNode",
            "MantaWorker", "MantaProxy", logging,
        ], settings: strict + [.enableExperimentalFeature("Lifetimes")]),
    // Libraries on the API
    module("MantaServe", ["Manta", "MantaCore", "MantaJSON", "MantaModel", "MantaWire", "MantaWorker"]),
    // Front doors
    module("MantaAdmin", ["Manta", "MantaServe", "MantaModel", "MantaJSON", "MantaHTTP", "MantaLoop", "MantaWire", "MantaTransport", "MantaWorker"]),
    program(
        "manta",
        ["Manta", "MantaServe", "MantaAdmin", "MantaModel", "MantaLoop", "MantaJSON", "MantaWire", "MantaWorker", argumentParser, yams]),
    // Examples
    program("Echo", ["Manta", "MantaServe", "MantaAdmin"], path: "Sources/Examples/Echo"),
    program("DocumentClassifier", ["Manta", "MantaServe", "MantaAdmin", "MantaJSON", yams], path: "Sources/Examples/DocumentClassifier"),
    module("PlainHTTP", [], path: "Sources/Examples/PlainHTTP"),
    program("PostTitles", ["PlainHTTP", argumentParser], path: "Sources/Examples/PostTitles"),
    program("Quickstart", ["Manta", "MantaServe", "MantaAdmin"], path: "Sources/Examples/Quickstart"),
    program("Tour", ["Manta", "MantaServe", "MantaAdmin"], path: "Sources/Examples/Tour"),
    // Aside
    module("MantaSimulation", ["MantaModel", "MantaCore"]),
    program("simulate", ["MantaSimulation", argumentParser]),
    program("chaos", ["Manta", "MantaModel", "MantaLoop", "MantaWire", "MantaWorker", "MantaSimulation", argumentParser]),
    module("MantaTestKit", ["MantaModel", "MantaLoop"]),
    module("MantaTestCluster", ["Manta", "MantaModel", "MantaWire", "MantaWorker", "MantaLoop", "MantaTestKit"]),
    // Tests
    tests("ArchitectureTests", []),
    tests("MantaModelTests", ["MantaModel"]),
    tests("MantaLoopTests", ["MantaLoop", "MantaTestKit"]),
    tests("MantaMemoryTests", ["MantaMemory", "MantaModel", "MantaTestKit", "CSystem"]),
    tests("MantaJSONTests", ["MantaJSON"]),
    tests("MantaHTTPTests", ["MantaHTTP", "MantaLoop"]),
    tests("MantaWireTests", ["MantaWire", "MantaModel"]),
    tests("MantaTransportTests", ["MantaTransport", "MantaLoop", "MantaWire", "MantaModel", "MantaTestKit"]),
    tests("MantaCoreTests", ["MantaCore", "MantaMemory", "MantaModel"]),
    tests("MantaStorageTests", ["MantaStorage", "CSQLite", "MantaModel"]),
    tests("MantaHeadTests", ["MantaHead", "MantaCore", "MantaStorage", "MantaTransport", "MantaLoop", "MantaWire", "MantaModel", "MantaTestKit"]),
    tests("BrowserTests", ["MantaAdmin", "MantaLoop", "MantaJSON", "MantaModel", "MantaWire"]),
    tests("MantaAdminTests", ["MantaAdmin", "MantaCore", "MantaHTTP", "MantaLoop", "MantaJSON", "MantaModel", "MantaWire"]),
    tests("MantaLogTests", ["MantaLog", .product(name: "Logging", package: "swift-log")]),
    tests("SimulationTests", ["MantaSimulation"]),
    tests(
        "MantaMacrosTests",
        ["MantaMacros", .product(name: "SwiftSyntaxMacrosGenericTestSupport", package: "swift-syntax"), .product(name: "SwiftSyntaxMacroExpansion", package: "swift-syntax")]),
    tests("MantaTests", ["Manta"]),
    tests("IntegrationTests", ["Manta", "MantaModel", "MantaWire", "MantaWorker", "MantaLoop", "MantaTestKit"]),
    tests("SchedulingTests", ["Manta", "MantaModel", "MantaWire", "MantaWorker", "MantaLoop", "MantaTestKit", "MantaTestCluster"]),
    tests("ObjectTests", ["CSystem", "Manta", "MantaModel", "MantaWire", "MantaWorker", "MantaLoop", "MantaTestKit", "MantaTestCluster"]),
    tests("MantaServeTests", ["Manta", "MantaServe", "MantaModel", "MantaWire", "MantaWorker", "MantaTestKit"]),
    tests("ChaosTests", ["chaos", "MantaLoop", "MantaTestKit"]),
    program("Probe", ["Manta", "MantaServe"], path: "Tests/Probe"),
    tests("ProcessTests", ["MantaJSON", "MantaLoop", "MantaTestKit", "PlainHTTP", "PostTitles", "manta", "DocumentClassifier", "Echo", "Quickstart", "Probe"]),
]

/// The named targets and everything they depend on.
func closure(of names: [String], in all: [Target]) -> [Target] {
    let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
    var wanted: Set<String> = []
    var queue = names
    while let name = queue.popLast() {
        guard let target = byName[name], wanted.insert(name).inserted else { continue }
        for dependency in target.dependencies {
            switch dependency {
            case .targetItem(let name, _), .byNameItem(let name, _): queue.append(name)
            default: break
            }
        }
    }
    return all.filter { wanted.contains($0.name) }
}

if let only = Context.environment["MANTA_ONLY"] {
    targets = closure(of: only.split(separator: ",").map(String.init), in: targets)
}

let package = Package(
    name: "manta",
    products: targets.contains { $0.name == "MantaServe" } ? [.library(name: "Manta", targets: ["Manta", "MantaServe"])] : [],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swiftlang/swift-syntax", from: "603.0.1"),
    ],
    targets: targets
)
