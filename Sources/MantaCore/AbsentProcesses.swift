// AbsentProcesses: the processes of other machines whose link to the head has ended, which says nothing of themselves, until their node says that they
// ended or their machine is given up.
//
// When a machine dies, its processes' links and its node's end in any order: those that went first must be given up with the node, too. Bounded; of too
// many, those that left first are forgotten.

package import MantaModel
internal import OrderedCollections

/// Who is away, and where it was.
package struct AbsentProcesses: Sendable {
    private var machines: OrderedDictionary<ProcessID, String> = [:]
    private let limit: Int

    package init(limit: Int = Limits.rememberedProcesses) { self.limit = limit }

    /// Its last link has ended.
    package mutating func left(_ process: ProcessID, machine: String) {
        machines[process] = machine
        if machines.count > limit { machines.removeFirst() }
    }

    /// It is there again, or is known to have ended.
    package mutating func settled(_ process: ProcessID) { machines.removeValue(forKey: process) }

    /// The machine is given up: those that were on it.
    package mutating func machineLost(_ machine: String) -> [ProcessID] {
        let lost = machines.filter { $0.value == machine }.keys
        machines.removeAll { $0.value == machine }
        return Array(lost)
    }
}
