// VisibleGPUs: what this machine calls its GPUs, and how a process is told which of them are its own.

import Glibc
import MantaCore
import MantaModel

/// The variable by which a process sees some GPUs only, and what this process may see itself.
enum VisibleGPUs {
    static let variable = "CUDA_VISIBLE_DEVICES"

    /// What the variable says, where the node runs under one that limits it; else empty: GPUs are called by their numbers.
    static var inherited: [String] { getenv(variable).map { names(in: String(cString: $0)) } ?? [] }

    static func names(in text: String) -> [String] {
        text.split(separator: ",").map { String($0.drop { $0 == " " }.prefix { $0 != " " }) }.filter { !$0.isEmpty }
    }

    /// What a new process finds in its environment: the GPUs it holds and no other. A machine without GPUs leaves the variable as it is.
    static func environment(of names: [String]?, on machine: Resources) -> [String: String] {
        machine[Resources.gpu].units > 0 ? [variable: (names ?? []).joined(separator: ",")] : [:]
    }

    /// How many this process sees: those of the variable, or the devices of the machine's driver.
    static var count: Int {
        if getenv(variable) != nil { return inherited.count }
        guard let folder = opendir("/dev") else { return 0 }
        defer { closedir(folder) }
        var count = 0
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            let number = name.dropFirst("nvidia".count)
            if name.hasPrefix("nvidia"), !number.isEmpty, number.allSatisfy(\.isNumber) { count += 1 }
        }
        return count
    }
}

extension Node {
    /// The names of a node's GPUs; nil of none.
    func names(ofGPUs indices: [Int]) -> [String]? {
        let names = configuration.gpuNames
        return indices.isEmpty ? nil : indices.map { names.indices.contains($0) ? names[$0] : "\($0)" }
    }

    /// What the process of an actor, or of a submitted program, finds in its environment.
    func environmentOfGPUs(heldBy claim: ActorID) -> [String: String] {
        VisibleGPUs.environment(of: names(ofGPUs: book.numbers(ofGPUsHeldBy: claim)), on: configuration.total)
    }
}
