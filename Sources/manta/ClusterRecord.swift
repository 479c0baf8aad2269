// ClusterRecord: what `manta start` has started on this machine: one small file for each process, and the address of the cluster started last.
//
// Files lie in /tmp/manta-<uid>/<head port>/processes/, which only this user can enter; MANTA_RUNTIME_DIRECTORY puts another folder in place of
// /tmp/manta-<uid>. A record names a process by its number and its start time, so that a number that another process has later is never taken for ours.

import Foundation
import Manta
import MantaJSON
import MantaLoop
import MantaModel

/// One started process.
struct ProcessRecord: Codable, Hashable {
    /// head, node or proxy.
    var role: String
    var pid: Int32
    /// In clock ticks since the machine started, as the kernel tells it.
    var startedTicks: UInt64
    /// The head's endpoint.
    var address: String
    /// What it serves: an HTTP port or the admin port; nil for a node.
    var url: String?
    /// The variables it was started with, to start it again the same way.
    var variables: [String: String]

    var isAlive: Bool { ProcessTable.startTicks(of: pid) == startedTicks }
}

struct ClusterRecord {
    static let base = environment(Variable.runtimeDirectory).map(absolutePath) ?? Folders.runtimeBase
    let port: UInt16
    /// Where the cluster's sockets are.
    var runtimeFolder: String { "\(Self.base)/\(port)" }
    private var folder: String { "\(runtimeFolder)/processes" }

    init(port: UInt16) { self.port = port }

    /// Every cluster with a record on this machine.
    static var all: [ClusterRecord] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: base)) ?? []
        return names.compactMap { UInt16($0).map(ClusterRecord.init(port:)) }.sorted { $0.port < $1.port }
    }

    /// The processes that still live; records of others are removed.
    var living: [ProcessRecord] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.compactMap { name -> ProcessRecord? in
            let path = "\(folder)/\(name)"
            guard let data = FileManager.default.contents(atPath: path), let value = try? JSONValue.parse([UInt8](data)),
                let record = try? JSONCoder.decode(ProcessRecord.self, from: value), record.isAlive
            else {
                unlink(path)
                return nil
            }
            return record
        }.sorted { ($0.role, $0.pid) < ($1.role, $1.pid) }
    }

    func add(_ record: ProcessRecord) throws {
        try Folders.make(folder)
        try write("\(JSONCoder.encode(record))\n", to: "\(folder)/\(record.pid)")
    }

    func remove(_ record: ProcessRecord) { unlink("\(folder)/\(record.pid)") }

    /// The head of the cluster that commands without an address mean.
    static var current: String? {
        let text = try? String(contentsOfFile: "\(base)/current", encoding: .utf8)
        return text.flatMap { $0.split(whereSeparator: \.isNewline).first.map(String.init) }
    }

    /// Makes this the cluster that commands without an address mean.
    func makeCurrent(address: String) throws { try write("\(address)\n", to: "\(Self.base)/current") }

    /// Removes the sockets and spilled objects of processes that are gone, and gives those that are going, workers of an ended node, a second to be gone.
    func removeAbandonedSockets() async {
        let deadline = ContinuousClock.now + .seconds(1)
        while removeAbandoned() > 0, ContinuousClock.now < deadline { try? await Task.sleep(for: .milliseconds(10)) }
    }

    /// Returns how many still live.
    private func removeAbandoned() -> Int {
        PathLock.removeAbandoned(in: runtimeFolder) { $0.hasSuffix(".sock") || $0.hasSuffix(".spill") } + AbandonedSockets.remove(in: runtimeFolder, olderThan: .zero)
    }

    /// Forgets that it is the current one.
    func resign() {
        guard Self.current.flatMap({ headPort(of: $0) }) == port else { return }
        unlink("\(Self.base)/current")
    }

    private func write(_ text: String, to path: String) throws {
        do { try Data(text.utf8).write(to: URL(filePath: path), options: .atomic) } catch {
            throw CommandFailure("cannot write \(path): \(error.localizedDescription)")
        }
    }
}
