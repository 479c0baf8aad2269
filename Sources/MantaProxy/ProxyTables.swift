// ProxyTables: what a proxy knows of endpoints, backends and replicas: the head's tables as they were told last, and their copy on disk.
//
// A table follows the head's versions: a change that does not follow the one before asks for the whole table again. The copy lets a proxy that starts
// while the head is down serve what was served before; what is stale in it shows when a replica cannot be reached.

import Glibc
import MantaModel
import MantaWire

struct ProxyTables {
    /// One table of the head, its rows decoded.
    struct Table<Row: Codable & Sendable> {
        private(set) var rows: [String: Row] = [:]
        private var version: UInt64 = 0

        mutating func replace(_ entries: [TableEntry], version: UInt64, _ complain: (String) -> Void) {
            rows = [:]
            for entry in entries { set(entry.key, entry.value, complain) }
            self.version = version
        }

        /// False: a change was missed.
        mutating func apply(_ change: TableChanged, _ complain: (String) -> Void) -> Bool {
            if change.version <= version { return true }
            guard change.version == version + 1 else { return false }
            version = change.version
            if let value = change.value { set(change.key, value, complain) } else { rows[change.key] = nil }
            return true
        }

        mutating func restore(_ rows: [String: Row]) { self.rows = rows }

        private mutating func set(_ key: String, _ value: [UInt8], _ complain: (String) -> Void) {
            do { rows[key] = try ValueDecoder.decode(Row.self, from: value) } catch {
                complain("the row \"\(key)\" of type \(Row.self) cannot be read: \(error)")
            }
        }
    }

    var endpoints = Table<EndpointDescription>()
    var backends = Table<BackendRow>()
    var replicas = Table<ReplicaDescription>()
    /// Tables of which the head has told the present state.
    private(set) var told: Set<String> = []
    /// Whether there is a state to serve from, be it the last run's.
    private(set) var isKnown = false

    static let names = [ServeTable.backends, ServeTable.endpoints, ServeTable.replicas]

    mutating func replace(_ snapshot: TableSnapshot, complain: (String) -> Void) {
        switch snapshot.table {
        case ServeTable.endpoints: endpoints.replace(snapshot.entries, version: snapshot.version, complain)
        case ServeTable.backends: backends.replace(snapshot.entries, version: snapshot.version, complain)
        case ServeTable.replicas: replicas.replace(snapshot.entries, version: snapshot.version, complain)
        default: return
        }
        told.insert(snapshot.table)
        if told.count == Self.names.count { isKnown = true }
    }

    /// False: a change was missed, and the table must be asked for again.
    mutating func apply(_ change: TableChanged, complain: (String) -> Void) -> Bool {
        switch change.table {
        case ServeTable.endpoints: endpoints.apply(change, complain)
        case ServeTable.backends: backends.apply(change, complain)
        case ServeTable.replicas: replicas.apply(change, complain)
        default: true
        }
    }

    // MARK: The copy on disk

    private struct Copy: Codable {
        var version: Int
        var endpoints: [String: EndpointDescription]
        var backends: [String: BackendRow]
        var replicas: [String: ReplicaDescription]
    }
    private static let copyVersion = 1
    static func path(in directory: String) -> String { "\(directory)/proxy-tables" }

    /// Takes the last run's state, if there is one that can be read.
    mutating func restore(from directory: String) {
        guard let bytes = try? readFile(Self.path(in: directory)), let copy = try? ValueDecoder.decode(Copy.self, from: bytes), copy.version == Self.copyVersion
        else { return }
        endpoints.restore(copy.endpoints)
        backends.restore(copy.backends)
        replicas.restore(copy.replicas)
        isKnown = true
    }

    /// Writes the present state; a failure leaves the copy before.
    func save(in directory: String) throws(MantaError) {
        let copy = Copy(version: Self.copyVersion, endpoints: endpoints.rows, backends: backends.rows, replicas: replicas.rows)
        let path = Self.path(in: directory)
        let fresh = "\(path).\(getpid())"
        do throws(MantaError) {
            try writeFile(fresh, try ValueEncoder.bytes(copy))
        } catch {
            unlink(fresh)
            throw error
        }
        guard rename(fresh, path) == 0 else { throw MantaError(.system, "cannot replace \(path): \(String(cString: strerror(errno)))") }
    }
}

private func readFile(_ path: String) throws(MantaError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw MantaError(.notFound, "cannot read \(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = read(descriptor, &part, part.count)
        guard count >= 0 else { throw MantaError(.system, "cannot read \(path): \(String(cString: strerror(errno)))") }
        if count == 0 { return bytes }
        bytes.append(contentsOf: part[..<count])
    }
}

private func writeFile(_ path: String, _ bytes: [UInt8]) throws(MantaError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw MantaError(.system, "cannot write \(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var place = 0
    while place < bytes.count {
        let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress.unsafelyUnwrapped + place, bytes.count - place) }
        guard count > 0 else { throw MantaError(.system, "cannot write \(path): \(String(cString: strerror(errno)))") }
        place += count
    }
}
