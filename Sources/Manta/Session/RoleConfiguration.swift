// RoleConfiguration: what a process learns from its environment when it starts in a role. The one place that knows the variables' names and defaults.

import Glibc
import MantaLoop
package import MantaModel
import MantaTransport
import MantaWorker

/// Names of environment variables, as set by whoever starts a process in a role.
package enum Variable {
    /// head, node, proxy or worker.
    package static let role = "MANTA_ROLE"
    /// The head's endpoint; also read by `Manta.connect`.
    package static let address = "MANTA_ADDRESS"
    /// Durable files: the head's store, logs.
    package static let directory = "MANTA_DIRECTORY"
    /// Sockets.
    package static let runtimeDirectory = "MANTA_RUNTIME_DIRECTORY"
    /// The address at which processes of other machines reach a node, its workers, a driver; empty: they do not. See `networkPort`.
    package static let host = "MANTA_HOST"
    package static let adminPort = "MANTA_ADMIN_PORT"
    package static let httpHost = "MANTA_HTTP_HOST"
    package static let httpPort = "MANTA_HTTP_PORT"
    package static let cpus = "MANTA_CPUS"
    package static let gpus = "MANTA_GPUS"
    /// Bytes of memory that tasks and actors may ask for.
    package static let memory = "MANTA_MEMORY"
    package static let resources = "MANTA_RESOURCES"
    /// `key=value,key=value`.
    package static let labels = "MANTA_LABELS"
    /// Bytes that the workers of a node may hold together; the one that holds most is ended beyond that.
    package static let workerMemory = "MANTA_WORKER_MEMORY"
    /// Bytes of a node's object store.
    package static let storeMemory = "MANTA_STORE_MEMORY"
    /// Folder for objects that do not fit it; `off`: none leaves memory.
    package static let spillDirectory = "MANTA_SPILL_DIRECTORY"
    /// Bytes that one node may write there; what the disk has without it.
    package static let spillLimit = "MANTA_SPILL_LIMIT"
    /// The share of that folder's file system, from 0 to 1, beyond which a node writes nothing there; 0.95 without it.
    package static let diskThreshold = "MANTA_DISK_THRESHOLD"
    /// How often tasks run again after a crash unless they say otherwise; 3 without it.
    package static let taskRetries = "MANTA_TASK_RETRIES"
    /// How often tasks that may run again do so after memory ran out under them, apart from `taskRetries`; 3 without it, -1 without end.
    package static let memoryRetries = "MANTA_MEMORY_RETRIES"
    /// What becomes of tasks and actors that need more than any node of the cluster has: `wait`, since a node that has it may come, or `fail`, with
    /// `unschedulable`, after a while. A cluster that a program starts for itself lets them fail unless this says otherwise, any other has them wait.
    package static let infeasible = "MANTA_INFEASIBLE"
    /// Items that one stream may have; 100 million without it.
    package static let streamItems = "MANTA_STREAM_ITEMS"
    /// What a process may use to remember the tasks whose results lie in stores, in bytes; 1 GiB without it.
    package static let lineageBytes = "MANTA_LINEAGE_BYTES"
    /// `0`: every worker of a node is started from its program's file, none forked from a template.
    package static let templates = "MANTA_TEMPLATES"
    /// What a driver shows on standard error, unless it says so itself: everything, warnings, nothing; `1` and `0` are the first and the last.
    package static let logToDriver = "MANTA_LOG_TO_DRIVER"
    package static let readyDescriptor = "MANTA_READY_FD"
    package static let namespace = "MANTA_NAMESPACE"
    package static let program = "MANTA_PROGRAM"
    /// Of the content of the worker's program.
    package static let programHash = "MANTA_PROGRAM_HASH"
    /// Where a node keeps the programs of its workers.
    package static let programDirectory = "MANTA_PROGRAM_DIRECTORY"
    package static let nodeEndpoint = "MANTA_NODE_ENDPOINT"
    package static let nodeID = "MANTA_NODE_ID"
    package static let processID = "MANTA_PROCESS_ID"
    package static let logDirectory = "MANTA_LOG_DIRECTORY"
}

/// Where a cluster's files are.
package enum Folders {
    package static let defaultHeadPort: UInt16 = 6380
    package static let defaultAdminPort: UInt16 = 8265
    package static let defaultHTTPPort: UInt16 = 8000

    /// `$XDG_STATE_HOME/manta/<port>`, else `~/.local/state/manta/<port>`.
    package static func durable(port: UInt16) -> String {
        let home = ProcessEnvironment["HOME"] ?? "/tmp"
        return "\(ProcessEnvironment["XDG_STATE_HOME"] ?? "\(home)/.local/state")/manta/\(port)"
    }

    /// `/tmp/manta-<uid>/<port>`: short, since a socket's path has at most 107 bytes.
    package static func runtime(port: UInt16) -> String { "\(runtimeBase)/\(port)" }
    package static var runtimeBase: String { "/tmp/manta-\(getuid())" }
    /// Where the hashes of executables are noted.
    package static var hashNotes: String { "\(runtimeBase)/hashes" }

    /// Makes a folder that only this user can enter, with those above it.
    package static func make(_ path: String) throws(MantaError) {
        var prefix = ""
        for part in path.split(separator: "/", omittingEmptySubsequences: true) {
            prefix += "/\(part)"
            guard mkdir(prefix, 0o700) != 0, errno != EEXIST, errno != EROFS, errno != EACCES else { continue }
            throw MantaError(.system, "the folder \(prefix) cannot be made: \(String(cString: strerror(errno)))")
        }
        guard access(path, W_OK | X_OK) == 0 else {
            throw MantaError(.system, "the folder \(path) cannot be written: \(String(cString: strerror(errno))); choose another with \(Variable.directory)")
        }
    }
}

/// What the environment says of how a process works for its program. A driver and a node refuse to start with a value that cannot be.
struct ProgramSettings {
    /// What this process may use to remember tasks.
    let lineageBytes: Int
    /// How often tasks of this process are tried again after memory ran out under them; nil when nothing was said.
    let memoryRetries: Int?
    /// Items that a stream made in this process may have.
    let streamItems: Int
    /// How often tasks of this process run again unless they say otherwise.
    let taskRetries: Int
    /// What a driver shows unless it says so itself.
    let logToDriver: LogToDriver

    /// - Parameter environment: the value of a variable, nil when it is not set. Throws `invalidArgument`, which names the variable.
    init(_ environment: (String) -> String? = { ProcessEnvironment[$0] }) throws(MantaError) {
        func whole(_ name: String, _ range: ClosedRange<Int>) throws(MantaError) -> Int? {
            guard let text = environment(name) else { return nil }
            if let value = Int(text), range.contains(value) { return value }
            let bounds = range.upperBound == .max ? "of \(range.lowerBound) or more" : "from \(range.lowerBound) to \(range.upperBound)"
            throw MantaError(.invalidArgument, "the environment variable \(name) is \"\(text.prefix(64))\"; expected a whole number \(bounds)")
        }
        lineageBytes = try whole(Variable.lineageBytes, 0...Int.max) ?? Limits.lineageBytes
        memoryRetries = try whole(Variable.memoryRetries, -1...Int.max)
        streamItems = try whole(Variable.streamItems, 1...Limits.streamItems) ?? Limits.streamItems
        taskRetries = try whole(Variable.taskRetries, -1...Int.max) ?? 3
        let shown = environment(Variable.logToDriver) ?? "1"
        guard let known = ["1": LogToDriver.everything, "0": .nothing][shown] ?? LogToDriver(rawValue: shown) else {
            throw MantaError(
                .invalidArgument,
                "the environment variable \(Variable.logToDriver) is \"\(shown.prefix(64))\"; expected everything (or 1), warnings, or nothing (or 0)")
        }
        logToDriver = known
    }
}

/// Whether what no node can ever run fails; throws `invalidArgument` when the variable says something else than `wait` or `fail`.
func failsInfeasible() throws(MantaError) -> Bool {
    switch ProcessEnvironment[Variable.infeasible] {
    case nil, "wait": return false
    case "fail": return true
    case let text?: throw MantaError(.invalidArgument, "the environment variable \(Variable.infeasible) is \"\(text.prefix(64))\"; expected wait or fail")
    }
}

/// The port of `tcp://host:port`; nil when it has none.
package func port(of endpoint: String) -> UInt16? {
    guard let colon = endpoint.lastIndex(of: ":") else { return nil }
    return UInt16(endpoint[endpoint.index(after: colon)...])
}

/// A port for processes of other machines: at the address that `MANTA_HOST` says; else none when the head is at a loopback address, since then the whole
/// cluster is on this machine; else at the address from which this machine reaches the head.
func networkPort(head: String) throws(MantaError) -> ReservedPort? {
    if let host = ProcessEnvironment[Variable.host] { return host.isEmpty ? nil : try ReservedPort(host: host) }
    guard let host = Machine.address(towards: head), !host.hasPrefix("127.") else { return nil }
    return try ReservedPort(host: host)
}

/// Throws `invalidArgument` for an address at which this machine cannot be reached.
package func requireAddressOfThisMachine(_ host: String) throws(MantaError) { _ = try ReservedPort(host: host) }

/// Accepts `tcp://host:port`, `host:port` and `host`; answers the first form.
package func headEndpoint(_ address: String) throws(MantaError) -> String {
    let bare = address.hasPrefix("tcp://") ? String(address.dropFirst(6)) : address
    let parts = bare.split(separator: ":", omittingEmptySubsequences: false)
    let port = parts.count == 2 ? UInt16(parts[1]) : parts.count == 1 ? Folders.defaultHeadPort : nil
    guard let port, let host = parts.first, !host.isEmpty, !bare.contains("/") else {
        throw MantaError(.invalidArgument, "the address \"\(address)\" is not understood; expected tcp://host:port, for example tcp://127.0.0.1:6380")
    }
    return "tcp://\(host):\(port)"
}

/// Reads `zone=a,disk=fast`.
package func parseLabels(_ text: String) throws(MantaError) -> [String: String] {
    var result: [String: String] = [:]
    for part in text.split(separator: ",") {
        let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard pair.count == 2 else {
            throw MantaError(.invalidArgument, "the label \"\(part.prefix(64))\" is not understood; expected key=value, for example zone=a")
        }
        if let complaint = NodeLabel.complaint(about: String(pair[0]), String(pair[1])) { throw MantaError(.invalidArgument, complaint) }
        result[String(pair[0])] = String(pair[1])
    }
    return result
}

/// Reads `a=1,b=0.5`.
package func parseResources(_ text: String) throws(MantaError) -> [String: Double] {
    var result: [String: Double] = [:]
    for part in text.split(separator: ",") {
        let pair = part.split(separator: "=", maxSplits: 1)
        guard pair.count == 2, let amount = Double(pair[1]), amount.isFinite, amount >= 0, amount < 1e12 else {
            throw MantaError(.invalidArgument, "the resource \"\(part)\" is not understood; expected name=amount with an amount of 0 or more, for example disk=2")
        }
        if let complaint = Resources.complaint(aboutCustomName: String(pair[0])) { throw MantaError(.invalidArgument, complaint) }
        result[String(pair[0])] = amount
    }
    return result
}
