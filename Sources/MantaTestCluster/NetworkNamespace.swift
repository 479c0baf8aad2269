// NetworkNamespace: a second machine, as far as its network is concerned: a namespace of its own that a pair of virtual interfaces joins to this one, and
// whose end of the pair can be taken down.
//
// A child process holds the namespace: it ends with this one at the latest, and namespace and interfaces with it.

import Glibc
import MantaLoop
import MantaTestKit

/// Runs a command; whether it went well.
@discardableResult
private func shell(_ command: String) -> Bool { system("{ \(command); } >/dev/null 2>&1") == 0 }

package final class NetworkNamespace {
    /// Needs root, `ip`, `nsenter` and a kernel that allows it.
    package static let isPermitted = shell("unshare -n -m ip link add name one type veth peer name two && command -v nsenter")

    /// The address of this end, and of the other.
    package let near: String
    package let far: String
    private let holder: Int32
    private let name: String
    private let loop = RunningLoop("namespace")

    package init() async throws {
        let number = Int(getpid())
        let subnet = "10.\(200 + number % 50).\(number / 64 % 256)."
        (name, near, far) = ("manta\(number % 100_000)", "\(subnet)\(number % 64 * 4 + 1)", "\(subnet)\(number % 64 * 4 + 2)")
        holder = try await withCheckedThrowingContinuation { [loop = loop.loop] continuation in
            loop.execute {
                let child = ChildProcess(path: "/usr/bin/env", arguments: ["env", "unshare", "-n", "sleep", "600"], environment: ProcessEnvironment.current(adding: [:]))
                continuation.resume(with: Result { try child.spawn() })
            }
        }
        let (holder, name, near, far) = (holder, name, near, far)
        try await eventually("the namespace", within: .seconds(30)) {
            shell("[ $(readlink /proc/\(holder)/ns/net) != $(readlink /proc/self/ns/net) ] && grep -q sleep /proc/\(holder)/comm")
        }
        let isJoined = shell(
            """
            set -e; ip link add \(name) type veth peer name other netns \(holder)
            ip addr add \(near)/30 dev \(name); ip link set \(name) up
            nsenter -t \(holder) -n ip addr add \(far)/30 dev other; nsenter -t \(holder) -n ip link set other up; nsenter -t \(holder) -n ip link set lo up
            """)
        guard isJoined else { throw DidNotHappen(description: "the namespace could not be joined to this one") }
    }

    deinit {
        shell("ip link del \(name)")
        kill(holder, SIGKILL)
        waitpid(holder, nil, 0)
    }

    package func cut() { shell("nsenter -t \(holder) -n ip link set other down") }
    package func restore() { shell("nsenter -t \(holder) -n ip link set other up") }

    /// Bytes that have left for the other end.
    package var sentBytes: Int {
        guard let file = fopen("/sys/class/net/\(name)/statistics/tx_bytes", "re") else { return 0 }
        defer { fclose(file) }
        var number = 0
        return withUnsafeMutablePointer(to: &number) { pointer in withVaList([pointer]) { vfscanf(file, "%ld", $0) } } == 1 ? number : 0
    }

    /// A program that runs `executable` over there, where it lies at another path than here and something else at this one.
    func script(running executable: String, in folder: String) throws -> String {
        let (path, copy) = ("\(folder)/far-node", "\(executable).far-\(getpid())")
        guard link(executable, copy) == 0, let file = fopen(path, "we") else { throw DidNotHappen(description: "no program for the other machine: \(errno)") }
        fputs(
            """
            #!/bin/sh
            exec nsenter -t \(holder) -n unshare -m sh -c 'mount --bind /dev/null "$0" && exec "$1" node' '\(executable)' '\(copy)'

            """, file)
        fclose(file)
        chmod(path, 0o700)
        return path
    }

    /// Removes what `script` left beside the executable.
    func removeCopy(of executable: String) { unlink("\(executable).far-\(getpid())") }
}
