// NodeConfiguration: how a node is set up, and what its machine has for it.

import Glibc
import MantaCore
import MantaLoop
package import MantaModel
package import MantaTransport

package struct NodeConfiguration: Sendable {
    /// The head's endpoint.
    package var head: String
    /// Where owners, workers and other nodes reach this node.
    package var place: ListeningPlace
    /// Folder of the sockets of this node's workers.
    package var runtimeDirectory: String
    /// Folder of the workers' output, one file a process.
    package var logDirectory: String
    package var total: Resources
    package var node: NodeID
    /// By which rules of scheduling find it: those it was given, and those that every node has.
    package var labels: [String: String]
    /// Folder of the executables that workers are started from; nodes of one user may share it.
    package var programDirectory: String
    /// Folder where the processes of this user note the hashes of executables.
    package var hashNotes: String
    /// What the workers may hold together, in bytes; nil: what the machine has.
    package var workerMemory: Int64?
    /// Of the object store's memory, in bytes.
    package var storeBytes: Int
    /// For objects that do not fit it.
    package var spillDirectory: String
    /// Whether objects leave memory for it when the store is full.
    package var spills: Bool
    /// What they may take there, in bytes; nil: what the disk has.
    package var spillBytes: Int?
    /// Beyond this share of the folder's file system in use none is written.
    package var diskThreshold = Limits.spillDiskShare
    /// An idle node keeps this many workers of a driver's program ready; nil is one per CPU.
    package var prestart: Int?
    /// Whether workers are forked from templates of their programs: this process then adopts the orphans below it.
    package var forksWorkers = false
    /// Tasks that need more than any node has fail after a while, instead of waiting for such a node.
    package var failsInfeasible = false
    /// What `CUDA_VISIBLE_DEVICES` calls this node's GPUs, in their order; those beyond are called by their number.
    package var gpuNames: [String] = VisibleGPUs.inherited

    package init(
        head: String, place: ListeningPlace, runtimeDirectory: String, logDirectory: String, total: Resources, programDirectory: String, hashNotes: String,
        node: NodeID = .random(), labels: [String: String] = [:], workerMemory: Int64? = nil, prestart: Int? = nil, storeBytes: Int? = nil,
        spillDirectory: String? = nil, spills: Bool = true
    ) {
        self.spills = spills
        self.storeBytes = storeBytes ?? Self.machineStoreBytes
        self.spillDirectory = spillDirectory ?? "\(runtimeDirectory)/\(node.short).spill"
        (self.head, self.place, self.runtimeDirectory, self.logDirectory) = (head, place, runtimeDirectory, logDirectory)
        (self.programDirectory, self.hashNotes) = (programDirectory, hashNotes)
        (self.total, self.node, self.workerMemory, self.prestart) = (total, node, workerMemory, prestart)
        self.labels = NodeLabel.all(labels, of: node, on: Machine.name)
    }

    var spillLimit: SpillLimit? { spills ? SpillLimit(folder: spillDirectory, bytes: spillBytes, share: diskThreshold) : nil }

    /// Three tenths of the memory (Ray's share too). Pages are used only when objects are in them.
    private static var machineStoreBytes: Int { Int(MachineShare.current.memory / 10 * 3) }

    /// What of its machine this process may use: processors, GPUs that are visible, and half of the memory in bytes.
    package static func machineResources() -> Resources {
        let share = MachineShare.current
        return Resources([
            Resources.cpu: ResourceAmount(units: Int64(share.processors) * 10_000), Resources.gpu: ResourceAmount(units: Int64(VisibleGPUs.count) * 10_000),
            Resources.memory: ResourceAmount(units: share.memory / 2 * 10_000),
        ])
    }
}

extension MachineShare {
    /// Of this process, at its start.
    fileprivate static let current = MachineShare(
        online: sysconf(Int32(_SC_NPROCESSORS_ONLN)), memory: Int64(sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))),
        read: KernelFile.read)
}
