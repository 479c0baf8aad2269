// ServeTables: the wanted state of serving: which backends and endpoints there are. The one authority over what may change and how.
//
// Always: every row is legal, names and routes are unique, every backend that an endpoint names exists. An operation that throws has changed nothing.
// Doing the same again is no error and no change, so a caller that lost an answer may repeat itself.

package import MantaModel

package struct ServeTables: Sendable {
    /// A row to be written or removed.
    package enum Change: Hashable, Sendable {
        case putBackend(BackendRow)
        case deleteBackend(String)
        case putEndpoint(EndpointDescription)
        case deleteEndpoint(String)
    }

    package private(set) var backends: [String: BackendRow] = [:]
    package private(set) var endpoints: [String: EndpointDescription] = [:]

    package init() {}

    /// The tables as they were stored; rows that are no longer legal are left out and named by `complain`.
    package init(backends: [BackendRow], endpoints: [EndpointDescription], complain: (String) -> Void) {
        for row in backends {
            if let complaint = row.description.complaint { complain(complaint) } else { self.backends[row.description.name] = row }
        }
        for endpoint in endpoints {
            if let complaint = complaint(about: endpoint) { complain(complaint.message) } else { self.endpoints[endpoint.name] = endpoint }
        }
    }

    // MARK: Backends

    /// Throws `alreadyExists` when another description has the name.
    package mutating func createBackend(_ description: BackendDescription) throws(MantaError) -> [Change] {
        try check(description)
        if let present = backends[description.name] {
            if present.description == description { return [] }
            throw MantaError(.alreadyExists, "there is a backend \"\(description.name)\" already; update or delete it, or choose another name")
        }
        return put(description)
    }

    /// Replaces a backend's description; its replicas are replaced only if they cannot go on. Throws `notFound`.
    package mutating func updateBackend(_ description: BackendDescription) throws(MantaError) -> [Change] {
        try check(description)
        let present = try backend(named: description.name)
        return present.description == description ? [] : put(description)
    }

    /// Throws `notFound`, and `conflict` that names the endpoints that use it.
    package mutating func deleteBackend(_ name: String) throws(MantaError) -> [Change] {
        _ = try backend(named: name)
        let users = endpoints.values.filter { $0.backends.contains(name) }.map { "\"\($0.name)\"" }.sorted()
        if !users.isEmpty {
            let noun = users.count == 1 ? "endpoint" : "endpoints"
            throw MantaError(.conflict, "backend \"\(name)\" is used by \(noun) \(users.joined(separator: ", ")); move their traffic first")
        }
        backends[name] = nil
        return [.deleteBackend(name)]
    }

    /// Notes how a backend is doing; no change when it is gone or as before.
    package mutating func setStatus(_ status: BackendStatus, of name: String) -> [Change] {
        guard var row = backends[name], row.status != status else { return [] }
        row.status = status
        backends[name] = row
        return [.putBackend(row)]
    }

    // MARK: Endpoints

    /// Throws `alreadyExists` for a name or route that is taken, `notFound` for a backend.
    package mutating func createEndpoint(_ description: EndpointDescription) throws(MantaError) -> [Change] {
        if let present = endpoints[description.name] {
            if present == description { return [] }
            throw MantaError(.alreadyExists, "there is an endpoint \"\(description.name)\" already; update or delete it, or choose another name")
        }
        return try put(description)
    }

    /// Throws `notFound`, and what `createEndpoint` throws.
    package mutating func updateEndpoint(_ description: EndpointDescription) throws(MantaError) -> [Change] {
        let present = try endpoint(named: description.name)
        return present == description ? [] : try put(description)
    }

    /// Frees its name and route; its backends stay. Throws `notFound`.
    package mutating func deleteEndpoint(_ name: String) throws(MantaError) -> [Change] {
        _ = try endpoint(named: name)
        endpoints[name] = nil
        return [.deleteEndpoint(name)]
    }

    /// Divides an endpoint's traffic anew, all at once.
    package mutating func setTraffic(_ name: String, _ traffic: [String: Double]) throws(MantaError) -> [Change] {
        var description = try endpoint(named: name)
        description.traffic = traffic
        return try updateEndpoint(description)
    }

    /// Copies this share of an endpoint's requests to a backend; 0 ends it.
    package mutating func setShadow(_ name: String, backend: String, share: Double) throws(MantaError) -> [Change] {
        var description = try endpoint(named: name)
        description.shadows[backend] = share == 0 ? nil : share
        return try updateEndpoint(description)
    }

    // MARK: All at once

    /// Makes these all there is: creates, updates and deletes what differs, or throws and changes nothing.
    package mutating func replaceAll(backends wanted: [BackendDescription], endpoints wantedEndpoints: [EndpointDescription]) throws(MantaError) -> [Change] {
        var next = ServeTables()
        for description in wanted {
            try next.check(description)
            if next.backends[description.name] != nil { throw MantaError(.alreadyExists, "two backends are named \"\(description.name)\"") }
            next.backends[description.name] = row(for: description)
        }
        for description in wantedEndpoints {
            if next.endpoints[description.name] != nil { throw MantaError(.alreadyExists, "two endpoints are named \"\(description.name)\"") }
            _ = try next.put(description)
        }
        // A reader who sees the changes one after the other never sees an endpoint that names a backend that is not there.
        var changes: [Change] = []
        for (name, row) in next.backends.sorted(by: { $0.key < $1.key }) where backends[name] != row { changes.append(.putBackend(row)) }
        for name in endpoints.keys.sorted() where next.endpoints[name] == nil { changes.append(.deleteEndpoint(name)) }
        for (name, endpoint) in next.endpoints.sorted(by: { $0.key < $1.key }) where endpoints[name] != endpoint { changes.append(.putEndpoint(endpoint)) }
        for name in backends.keys.sorted() where next.backends[name] == nil { changes.append(.deleteBackend(name)) }
        self = next
        return changes
    }

    // MARK: Rules between rows

    package func backend(named name: String) throws(MantaError) -> BackendRow {
        if let row = backends[name] { return row }
        throw MantaError(.notFound, "there is no backend \"\(name)\"; there \(Self.list(backends.keys))")
    }

    package func endpoint(named name: String) throws(MantaError) -> EndpointDescription {
        if let endpoint = endpoints[name] { return endpoint }
        throw MantaError(.notFound, "there is no endpoint \"\(name)\"; there \(Self.list(endpoints.keys))")
    }

    private static func list(_ names: some Collection<String>) -> String {
        switch names.count {
        case 0: "is none"
        case 1: "is \"\(names.first ?? "")\""
        default: "are " + names.sorted().prefix(20).map { "\"\($0)\"" }.joined(separator: ", ") + (names.count > 20 ? " and \(names.count - 20) more" : "")
        }
    }

    private func check(_ description: BackendDescription) throws(MantaError) {
        if let complaint = description.complaint { throw MantaError(.invalidArgument, complaint) }
    }

    private func complaint(about description: EndpointDescription) -> MantaError? {
        if let complaint = description.complaint { return MantaError(.invalidArgument, complaint) }
        for name in description.backends.sorted() {
            do { _ = try backend(named: name) } catch { return MantaError(error.code, "endpoint \"\(description.name)\": \(error.message)") }
        }
        if let route = description.route, let other = endpoints.values.first(where: { $0.route == route && $0.name != description.name }) {
            return MantaError(.alreadyExists, "endpoint \"\(description.name)\": route \"\(route)\" belongs to endpoint \"\(other.name)\"; choose another")
        }
        return nil
    }

    private mutating func put(_ description: EndpointDescription) throws(MantaError) -> [Change] {
        if let error = complaint(about: description) { throw error }
        endpoints[description.name] = description
        return [.putEndpoint(description)]
    }

    private mutating func put(_ description: BackendDescription) -> [Change] {
        let row = row(for: description)
        backends[description.name] = row
        return [.putBackend(row)]
    }

    private func row(for description: BackendDescription) -> BackendRow {
        let starting = BackendStatus(state: .updating, ready: 0, message: "replicas are being started")
        guard let present = backends[description.name] else { return BackendRow(description: description, status: starting, revision: 1) }
        if present.description == description { return present }
        let keeps = description.keepsReplicas(of: present.description)
        let status = BackendStatus(state: .updating, ready: present.status.ready, message: keeps ? "replicas are being adjusted" : "replicas are being replaced")
        return BackendRow(description: description, status: status, revision: present.revision + (keeps ? 0 : 1))
    }
}
