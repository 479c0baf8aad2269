// RunFolder: where a run's files are: sockets, logs, ledgers, the head's store. Removed when the run was well.

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

    var stop: String { "\(path)/stop" }
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
}
