// MachineShare: what of its machine this process may use: in a container, or under a service manager's limits, that is less than the machine has.
//
// Processors are those it may run on, and no more than its control group gives it time for; memory is the machine's, and no more than its control group
// may hold. Limits of groups above hold too. Both versions of control groups are read; what cannot be read limits nothing.

package struct MachineShare: Hashable, Sendable {
    /// Whole processors, at least one.
    package var processors: Int
    /// In bytes.
    package var memory: Int64

    /// - Parameters:
    ///   - online: processors of the machine.
    ///   - memory: of the machine, in bytes.
    ///   - read: the text of a file of the kernel's; nil when there is none.
    package init(online: Int, memory: Int64, read: (String) -> String?) {
        let groups = read("/proc/self/cgroup") ?? ""
        let allowed = read("/proc/self/status").flatMap(Self.allowedProcessors)
        let quota = ControlGroup.folders(of: "cpu", in: groups).compactMap { ControlGroup.processors(in: $0, read) }.min()
        let limit = ControlGroup.folders(of: "memory", in: groups).compactMap { ControlGroup.memoryLimit(in: $0, read) }.min()
        // A part of a processor more than whole ones runs no further task; a part of one runs a slow one.
        processors = max(1, min(online, allowed ?? online, quota.map { Int($0.rounded(.down)) } ?? online))
        self.memory = min(memory, limit ?? memory)
    }

    /// How many processors a process may run on, by its line `Cpus_allowed_list: 0-3,8`; nil when that is not understood.
    private static func allowedProcessors(in status: String) -> Int? {
        let name = "Cpus_allowed_list:"
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
        var count = 0
        for part in line.dropFirst(name.count).split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
            let bounds = part.split(separator: "-").map { Int($0) }
            guard let first = bounds.first.flatMap({ $0 }), let last = bounds.last.flatMap({ $0 }), bounds.count <= 2, first <= last else { return nil }
            count += last - first + 1
        }
        return count > 0 ? count : nil
    }
}

/// The limits of control groups, as their files say them.
private enum ControlGroup {
    private static let root = "/sys/fs/cgroup"

    /// The folders, in either version, of the group of a controller that `/proc/self/cgroup` names and of all groups above it; the root's are among them,
    /// since a container may see its own group there.
    static func folders(of controller: String, in text: String) -> [String] {
        var folders: [String] = []
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let base = parts[1].isEmpty ? root : parts[1].split(separator: ",").contains(Substring(controller)) ? "\(root)/\(parts[1])" : nil
            guard let base else { continue }
            let names = parts[2].split(separator: "/").filter { $0 != ".." }
            folders += (0...names.count).map { ([base] + names.prefix($0).map(String.init)).joined(separator: "/") }
        }
        return folders
    }

    /// How many processors' time a group may use; nil is without limit.
    static func processors(in folder: String, _ read: (String) -> String?) -> Double? {
        if let text = read("\(folder)/cpu.max") {
            let words = text.split(whereSeparator: \.isWhitespace)
            return words.count == 2 ? ratio(Double(words[0]), Double(words[1])) : nil
        }
        return ratio(read("\(folder)/cpu.cfs_quota_us").flatMap(number), read("\(folder)/cpu.cfs_period_us").flatMap(number))
    }

    /// What a group may hold, in bytes; nil is without limit.
    static func memoryLimit(in folder: String, _ read: (String) -> String?) -> Int64? {
        guard let text = read("\(folder)/memory.max") ?? read("\(folder)/memory.limit_in_bytes"), let limit = number(text) else { return nil }
        // The first version writes a number near the largest one where there is no limit.
        return limit > 0 && limit < 0x1p60 ? Int64(limit) : nil
    }

    private static func number(_ text: String) -> Double? { Double(text.prefix { !$0.isWhitespace }) }

    /// Without a limit the quota is `max`, or -1.
    private static func ratio(_ quota: Double?, _ period: Double?) -> Double? {
        guard let quota, let period, quota > 0, period > 0 else { return nil }
        return quota / period
    }
}
