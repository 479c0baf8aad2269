// StartCommand: `manta start`: a cluster on this machine, or a further node of one.
//
// What already runs is left alone: after the head alone has died, `manta start --head` starts only the head again.

import ArgumentParser
import Manta
import MantaJSON
import MantaModel

struct StartCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "start", abstract: "Starts a cluster on this machine, or a further node of one.",
        discussion: """
            With --head: head, node and HTTP proxy; they go on when this command has returned. With --address: one more node.

            Examples:
              manta start --head
              manta start --head --port 7000 --admin-port 7001 --http-port 7002 --cpus 4 --resources disk=2,license=1
              manta start --head --block             stay, start again what dies, stop all on Ctrl-C
              manta start --address tcp://127.0.0.1:6380 --cpus 2
              manta start --head --host 192.168.1.10               a cluster that other machines join, each with
              manta start --address tcp://192.168.1.10:6380
            """)

    @Flag(help: "Start a cluster: head, node and HTTP proxy.") var head = false
    @Option(help: "Join the cluster of this head, as tcp://host:port.") var address: String?
    @Option(help: """
        The address of this machine at which the cluster's other machines reach it, such as 192.168.1.10. With --head: everything stays on this machine by \
        default; with --address: the address from which this machine reaches the head. Messages are not encrypted: use a network that you trust.
        """) var host: String?
    @Option(help: "The head's port.") var port: UInt16 = Folders.defaultHeadPort
    @Option(help: "The port of the admin API and the dashboard.") var adminPort: UInt16 = Folders.defaultAdminPort
    @Option(help: "The port of the HTTP proxy. With --address a proxy is started only when this is given.") var httpPort: UInt16?
    @Option(help: "CPUs that remote code may hold on this node; those of this machine, or of its container, by default.") var cpus: Double?
    @Option(help: "GPUs of this node; those of this machine by default.") var gpus: Double?
    @Option(help: "Memory that tasks and actors may ask for, as 2000000000, 500M or 4G; half of what this machine has by default.") var memory: ByteAmount?
    @Option(help: "Custom resources of this node: name=amount,name=amount.") var resources: String?
    @Option(help: "Labels of this node, by which scheduling finds it: key=value,key=value.") var labels: String?
    @Option(help: "Bytes of this node's object store, as 2000000000, 500M or 4G; three tenths of the machine's memory by default.") var storeMemory: ByteAmount?
    @Option(help: "Bytes that the workers of this node may hold together; beyond that the one that holds most is ended. What the machine has by default.")
    var workerMemory: ByteAmount?
    @Option(help: "Folder for objects that do not fit the object store; beside the sockets by default; off: none leaves memory.") var spillDirectory: String?
    @Option(help: "Bytes that such objects may take there, as 2000000000, 500M or 4G; as many as the disk has by default, which is left alone beyond 95 %.")
    var spillLimit: ByteAmount?
    @Option(help: "Folder of durable files and logs; ~/.local/state/manta/<port> by default.") var directory: String?
    @Flag(help: "Stay until Ctrl-C, start again what dies, and stop everything at the end.") var block = false
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if head == (address != nil) { throw ValidationError("give either --head, to start a cluster, or --address, to join one") }
        for (name, value) in [("--port", port), ("--admin-port", adminPort), ("--http-port", httpPort ?? 1)] where value == 0 {
            throw ValidationError("\(name) is 0; expected 1 to 65535")
        }
        let ports = head ? [port, adminPort, httpPort ?? Folders.defaultHTTPPort] : []
        if Set(ports).count < ports.count { throw ValidationError("--port, --admin-port and --http-port must differ") }
        for (name, value) in [("--cpus", cpus), ("--gpus", gpus)] {
            if let value, !(value >= 0 && value <= 100_000) { throw ValidationError("\(name) is \(value); expected 0 to 100000") }
        }
        if let complaint = Resources([Resources.gpu: ResourceAmount(gpus ?? 0)]).complaint { throw ValidationError("--gpus: \(complaint)") }
        if let storeMemory, storeMemory.bytes < Limits.storeBytesAtLeast {
            throw ValidationError("--store-memory is \(storeMemory.bytes) bytes; expected at least \(Limits.storeBytesAtLeast)")
        }
        if let host {
            do { try requireAddressOfThisMachine(host) } catch { throw ValidationError("--host: \(error.message)") }
        }
        if let labels {
            do { _ = try parseLabels(labels) } catch { throw ValidationError("--labels: \(error.message)") }
        }
        if let resources {
            do { _ = try parseResources(resources) } catch { throw ValidationError("--resources: \(error.message)") }
        }
    }

    func run() async throws {
        let endpoint = try address.map { try headEndpoint($0) } ?? "tcp://\(host ?? "127.0.0.1"):\(port)"
        // A node waits for its head for as long as it takes; whoever gave a wrong address would wait too.
        if !head { try await ClusterOptions.withCluster(at: endpoint) { _, runtime in _ = try await ClusterView(runtime: runtime).state(of: [], limit: 0) } }
        let launch = ClusterLaunch(
            endpoint: endpoint, port: headPort(of: endpoint) ?? port, isHead: head, adminPort: adminPort,
            httpPort: httpPort ?? (head ? Folders.defaultHTTPPort : nil), variables: try nodeVariables())
        let started = try await launch.startMissing()
        let running = launch.record.living
        output.write(summary(endpoint, running)) { text(endpoint, started: started, running: running) }
        if block { try await launch.supervise() }
    }

    private func nodeVariables() throws -> [String: String] {
        var variables: [String: String] = [:]
        if let host { variables[Variable.host] = host }
        if let cpus { variables[Variable.cpus] = "\(cpus)" }
        if let gpus { variables[Variable.gpus] = "\(gpus)" }
        if let memory { variables[Variable.memory] = "\(memory.bytes)" }
        if let workerMemory { variables[Variable.workerMemory] = "\(workerMemory.bytes)" }
        if let resources { variables[Variable.resources] = resources }
        if let labels { variables[Variable.labels] = labels }
        if let storeMemory { variables[Variable.storeMemory] = "\(storeMemory.bytes)" }
        if let spillDirectory { variables[Variable.spillDirectory] = spillDirectory == "off" ? spillDirectory : absolutePath(spillDirectory) }
        if let spillLimit { variables[Variable.spillLimit] = "\(spillLimit.bytes)" }
        if let directory { variables[Variable.directory] = absolutePath(directory) }
        return variables
    }

    private func summary(_ endpoint: String, _ running: [ProcessRecord]) -> JSONValue {
        var result: JSONValue = ["address": JSONValue(endpoint)]
        result["processes"] = JSONValue(
            running.map { record in
                var process: JSONValue = ["role": JSONValue(record.role), "pid": JSONValue(Int(record.pid))]
                process["url"] = record.url.map { JSONValue($0) } ?? .null
                return process
            })
        return result
    }

    private func text(_ endpoint: String, started: [ProcessRecord], running: [ProcessRecord]) -> String {
        var lines: [String] = []
        for record in running {
            let state = started.contains(record) ? "started" : "was running"
            lines.append("\(record.role) \(state) (process \(record.pid))\(record.url.map { ", \($0)" } ?? "")")
        }
        lines.append("cluster \(endpoint)")
        return lines.joined(separator: "\n")
    }
}

/// A number of bytes as people write it: 4096, 500M, 64MiB, 1.5G; the letters are powers of 1024.
struct ByteAmount: ExpressibleByArgument {
    let bytes: Int

    init?(argument given: String) {
        // 64M, 64Mi and 64MiB are the same.
        let ending = ["iB", "i"].first { given.hasSuffix($0) } ?? ""
        let argument = given.dropLast(ending.count)
        let unit: Double? =
            switch argument.last {
            case "K", "k": 1024
            case "M", "m": 1024 * 1024
            case "G", "g": 1024 * 1024 * 1024
            default: nil
            }
        guard ending.isEmpty || unit != nil, let amount = Double(unit == nil ? argument : argument.dropLast()), amount.isFinite, amount >= 0 else { return nil }
        let bytes = amount * (unit ?? 1)
        guard bytes < 1e15 else { return nil }
        self.bytes = Int(bytes)
    }
}
