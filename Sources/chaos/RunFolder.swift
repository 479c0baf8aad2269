// RunFolder: where a run's files are: sockets, logs, ledgers, the head's store. Removed when the run was well.

import ArgumentParser
import Glibc
import Manta
import MantaModel

struct RunFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/manta-chaos-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw MantaError(.system, "no folder for the run: \(String(cString: strerror(errno)))") }
        path = String(cString: made)
    }

    /// Drivers end their work when it is there.
    var stop: String { "\(path)/stop" }
    /// Drivers that have ended their work leave when it is there.
    var leave: String { "\(path)/leave" }
    /// Tells whoever waits for it to be there.
    func mark(_ path: String) { close(open(path, O_WRONLY | O_CREAT, 0o600)) }
    func ledger(_ producer: Int) -> String { "\(path)/ledger-\(producer)" }
    func output(_ role: String) -> String { "\(path)/\(role).out" }
    func log(_ role: String, _ pid: Int32) -> String { "\(path)/\(role)-\(pid).log" }

    /// The variables of the cluster's processes.
    func variables(head: String) -> [String: String] {
        [
            Variable.address: head, Variable.directory: path, Variable.runtimeDirectory: path, Variable.logDirectory: path, Variable.adminPort: "0",
            Variable.httpPort: "0",
        ]
    }

    func remove() { Folders.remove(path) }

    private static let shownComplaints = 40

    /// Carries a run out in a new folder. What it complains of is printed with what repeats it, and the status is 1.
    static func judged(seed: UInt64, again options: String, _ run: (RunFolder) async throws -> [String]) async throws {
        let folder = try RunFolder()
        let complaints: [String]
        do { complaints = try await run(folder) } catch { complaints = ["the run could not go on: \(error)"] }
        guard complaints.isEmpty else {
            print("FAILED seed \(seed):")
            for complaint in complaints.prefix(shownComplaints) { print("  \(complaint)") }
            if complaints.count > shownComplaints { print("  and \(complaints.count - shownComplaints) more") }
            print("its files are in \(folder.path); repeat it with: swift run chaos \(options)")
            throw ExitCode(1)
        }
        folder.remove()
        print("seed \(seed): ok")
    }
}
