// What of its machine a process may use, from the texts that the kernel writes: both versions of control groups, inside and outside of containers.

import MantaCore
import Testing

@Suite struct MachineShareTests {
    private let gigabyte: Int64 = 1 << 30

    private func share(allowed: String? = nil, groups: String = "", _ files: [String: String] = [:]) -> MachineShare {
        var files = files
        files["/proc/self/cgroup"] = groups
        files["/proc/self/status"] = allowed.map { "Name:\tnode\nCpus_allowed:\tff\nCpus_allowed_list:\t\($0)\nMems_allowed:\t1\n" }
        return MachineShare(online: 8, memory: 16 * gigabyte) { files[$0] }
    }

    @Test func withoutLimitsItIsTheMachine() {
        let groups = "0::/user.slice/session.scope\n"
        let files = ["/sys/fs/cgroup/user.slice/cpu.max": "max 100000\n", "/sys/fs/cgroup/user.slice/memory.max": "max\n"]
        for share in [share(), share(groups: groups), share(groups: groups, files), share(groups: "nonsense\n::\n1:\n", ["/sys/fs/cgroup/cpu.max": ""])] {
            #expect(share.processors == 8 && share.memory == 16 * gigabyte)
        }
    }

    @Test(arguments: [("0-2", 3), ("5", 1), ("0-1,4,6-7", 5), ("0-63", 8), ("", 8), ("x", 8), ("3-1", 8)])
    func onlyProcessorsThatItMayRunOnCount(list: String, count: Int) { #expect(share(allowed: list).processors == count) }

    @Test func aContainerSeesItsOwnGroupAtTheRoot() {
        let share = share(groups: "0::/\n", ["/sys/fs/cgroup/cpu.max": "200000 100000\n", "/sys/fs/cgroup/memory.max": "\(gigabyte)\n"])
        #expect(share.processors == 2 && share.memory == gigabyte)
    }

    @Test func theSmallestLimitOfAllGroupsAboveHolds() {
        let files = [
            "/sys/fs/cgroup/a/cpu.max": "300000 100000", "/sys/fs/cgroup/a/b/cpu.max": "500000 100000", "/sys/fs/cgroup/a/b/memory.max": "max",
            "/sys/fs/cgroup/a/memory.max": "\(2 * gigabyte)",
        ]
        let share = share(groups: "0::/a/b\n", files)
        #expect(share.processors == 3 && share.memory == 2 * gigabyte)
    }

    @Test func theFirstVersionIsReadToo() {
        let groups = "12:memory:/docker/abc\n5:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/docker/abc\n"
        let files = [
            "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "150000\n", "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "50000\n",
            "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "\(3 * gigabyte)\n",
            "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        ]
        let share = share(groups: groups, files)
        #expect(share.processors == 3 && share.memory == 3 * gigabyte)
    }

    @Test func aPartOfAProcessorIsOne() {
        #expect(share(groups: "0::/\n", ["/sys/fs/cgroup/cpu.max": "50000 100000\n"]).processors == 1)
        #expect(share(groups: "0::/\n", ["/sys/fs/cgroup/cpu.max": "150000 100000\n"]).processors == 1)
    }
}
