// What the tests of objects look at from outside: the spill files and the usage of every store.

import Glibc
import MantaTestCluster
import MantaModel
import MantaTestKit
import MantaWire
import Testing

@Suite(.serialized, .timeLimit(.minutes(2))) struct ObjectTests {}

extension TestCluster {
    /// The files with spilled objects, of every node.
    func spillFiles() -> [String] {
        folders(in: folder).filter { $0.hasSuffix(".spill") }.flatMap { folder in folders(in: folder).filter { $0.hasSuffix(".spill") } }
    }

    private func folders(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            names.append(withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } })
        }
        return names.map { "\(path)/\($0)" }
    }

    /// What the stores of all living nodes hold.
    func usages() async throws -> [StoreUsage] { try await state(.nodes).nodes.filter { $0.state == .alive }.compactMap(\.store) }

    func expectEmptyStores() async throws {
        try await eventually("empty stores", within: .seconds(30)) { try await usages().allSatisfy { $0.used == 0 && $0.objects + $0.spilledObjects == 0 } }
    }
}
