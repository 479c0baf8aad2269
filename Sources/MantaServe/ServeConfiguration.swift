// ServeConfiguration: everything that is served, as a file says it: backends and endpoints. Decoded from YAML or JSON, whichever way the reader likes.
//
// A member that is unknown is an error that names it and those there are, so a misspelt option never passes in silence.

import Glibc
public import MantaModel

/// Backends and endpoints, all there are to be.
public struct ServeConfiguration: Codable, Sendable, Hashable {
    public var backends: [BackendEntry]
    public var endpoints: [EndpointEntry]

    public init(backends: [BackendEntry] = [], endpoints: [EndpointEntry] = []) { (self.backends, self.endpoints) = (backends, endpoints) }

    enum CodingKeys: String, CodingKey, CaseIterable { case backends, endpoints }

    public init(from decoder: any Decoder) throws {
        try decoder.refuseUnknownMembers(CodingKeys.self, of: "the configuration")
        let container = try decoder.container(keyedBy: CodingKeys.self)
        backends = try container.decodeIfPresent([BackendEntry].self, forKey: .backends) ?? []
        endpoints = try container.decodeIfPresent([EndpointEntry].self, forKey: .endpoints) ?? []
    }

    /// One backend; what is left out has the default of `BackendOptions`.
    public struct BackendEntry: Codable, Sendable, Hashable {
        public var name: String
        /// `Module.Type`.
        public var type: String
        /// The executable's path; relative ones count from the current directory. The program that applies the configuration by default.
        public var program: String?
        public var version: String?
        public var replicas: Int?
        public var maxConcurrent: Int?
        public var maxQueued: Int?
        public var configuration: ConfigurationValue?
        public var cpus: Double?
        public var gpus: Double?
        /// Bytes.
        public var memory: Int?
        public var resources: [String: Double]?
        /// Seconds.
        public var requestTimeout: Double?
        /// Seconds.
        public var drainTime: Double?

        public init(name: String, type: String, program: String? = nil) { (self.name, self.type, self.program) = (name, type, program) }

        enum CodingKeys: String, CodingKey, CaseIterable {
            case name, type, program, version, replicas, maxConcurrent, maxQueued, configuration, cpus, gpus, memory, resources, requestTimeout, drainTime
        }

        public init(from decoder: any Decoder) throws {
            try decoder.refuseUnknownMembers(CodingKeys.self, of: "a backend")
            let container = try decoder.container(keyedBy: CodingKeys.self)
            name = try container.decode(String.self, forKey: .name)
            type = try container.decode(String.self, forKey: .type)
            program = try container.decodeIfPresent(String.self, forKey: .program)
            version = try container.decodeIfPresent(String.self, forKey: .version)
            replicas = try container.decodeIfPresent(Int.self, forKey: .replicas)
            maxConcurrent = try container.decodeIfPresent(Int.self, forKey: .maxConcurrent)
            maxQueued = try container.decodeIfPresent(Int.self, forKey: .maxQueued)
            configuration = try container.decodeIfPresent(ConfigurationValue.self, forKey: .configuration)
            cpus = try container.decodeIfPresent(Double.self, forKey: .cpus)
            gpus = try container.decodeIfPresent(Double.self, forKey: .gpus)
            memory = try container.decodeIfPresent(Int.self, forKey: .memory)
            resources = try container.decodeIfPresent([String: Double].self, forKey: .resources)
            requestTimeout = try container.decodeIfPresent(Double.self, forKey: .requestTimeout)
            drainTime = try container.decodeIfPresent(Double.self, forKey: .drainTime)
        }
    }

    /// One endpoint: `backend` for all traffic, or `traffic` with shares.
    public struct EndpointEntry: Codable, Sendable, Hashable {
        public var name: String
        public var route: String?
        public var methods: [RequestMethod]?
        public var backend: String?
        public var traffic: [String: Double]?
        public var shadows: [String: Double]?

        public init(name: String, route: String?, methods: [RequestMethod]? = nil, backend: String? = nil, traffic: [String: Double]? = nil) {
            (self.name, self.route, self.methods, self.backend, self.traffic) = (name, route, methods, backend, traffic)
        }

        enum CodingKeys: String, CodingKey, CaseIterable { case name, route, methods, backend, traffic, shadows }

        public init(from decoder: any Decoder) throws {
            try decoder.refuseUnknownMembers(CodingKeys.self, of: "an endpoint")
            let container = try decoder.container(keyedBy: CodingKeys.self)
            name = try container.decode(String.self, forKey: .name)
            route = try container.decodeIfPresent(String.self, forKey: .route)
            let names = try container.decodeIfPresent([String].self, forKey: .methods)
            methods = try names?.map { name in
                guard let method = RequestMethod(rawValue: name.uppercased()) else {
                    let known = RequestMethod.allCases.map(\.rawValue).joined(separator: ", ")
                    throw DecodingError.dataCorruptedError(forKey: .methods, in: container, debugDescription: "the method \"\(name)\" is unknown; there are \(known)")
                }
                return method
            }
            backend = try container.decodeIfPresent(String.self, forKey: .backend)
            traffic = try container.decodeIfPresent([String: Double].self, forKey: .traffic)
            shadows = try container.decodeIfPresent([String: Double].self, forKey: .shadows)
        }
    }

    /// The rows it stands for; throws `invalidArgument` for what cannot be.
    func descriptions(program ownProgram: Program) throws(MantaError) -> (backends: [BackendDescription], endpoints: [EndpointDescription]) {
        var backends: [BackendDescription] = []
        for entry in self.backends { backends.append(try entry.description(program: ownProgram)) }
        var endpoints: [EndpointDescription] = []
        for entry in self.endpoints { endpoints.append(try entry.description()) }
        return (backends, endpoints)
    }
}

extension ServeConfiguration.BackendEntry {
    fileprivate func description(program ownProgram: Program) throws(MantaError) -> BackendDescription {
        var options = BackendOptions()
        if let version { options.version = version }
        if let replicas { options.replicas = replicas }
        if let maxConcurrent { options.maxConcurrent = maxConcurrent }
        if let maxQueued { options.maxQueued = maxQueued }
        if let configuration { options.configuration = configuration }
        if let cpus { options.cpus = cpus }
        if let gpus { options.gpus = gpus }
        if let memory { options.memory = memory }
        if let resources { options.resources = resources }
        if let program {
            guard let path = realpath(program, nil) else {
                throw MantaError(.notFound, "backend \"\(name)\": the program \"\(program)\" is not there (\(String(cString: strerror(errno)))); build it, or correct the path")
            }
            defer { free(path) }
            guard access(path, X_OK) == 0 else { throw MantaError(.invalidArgument, "backend \"\(name)\": the program \"\(program)\" cannot be executed") }
            options.program = Program(path: String(cString: path))
        }
        var description = try options.description(named: name, type: type, program: ownProgram)
        // As they were written: a Duration of what is no number would not come back as what is wrong.
        if let requestTimeout { description.requestTimeoutSeconds = requestTimeout }
        if let drainTime { description.drainSeconds = drainTime }
        if let complaint = description.complaint { throw MantaError(.invalidArgument, complaint) }
        return description
    }
}

extension ServeConfiguration.EndpointEntry {
    fileprivate func description() throws(MantaError) -> EndpointDescription {
        let shares: [String: Double]
        switch (backend, traffic) {
        case (let backend?, nil): shares = [backend: 1]
        case (nil, let traffic?): shares = traffic
        case (nil, nil): throw MantaError(.invalidArgument, "endpoint \"\(name)\" has neither backend nor traffic; say where its requests go")
        case (.some, .some): throw MantaError(.invalidArgument, "endpoint \"\(name)\" has both backend and traffic; say one of them")
        }
        return EndpointDescription(name: name, route: route, methods: methods ?? [.get], traffic: shares, shadows: shadows ?? [:])
    }
}

/// A member's name, whatever it is.
private struct MemberName: CodingKey {
    let stringValue: String
    init(stringValue: String) { self.stringValue = stringValue }
    var intValue: Int? { nil }
    init?(intValue: Int) { nil }
}

extension Decoder {
    fileprivate func refuseUnknownMembers<Keys: CodingKey & CaseIterable>(_ keys: Keys.Type, of what: String) throws {
        let known = keys.allCases.map(\.stringValue)
        guard let unknown = try container(keyedBy: MemberName.self).allKeys.first(where: { !known.contains($0.stringValue) }) else { return }
        throw DecodingError.dataCorrupted(
            DecodingError.Context(codingPath: codingPath, debugDescription: "\(what) has no member \"\(unknown.stringValue)\"; there are \(known.joined(separator: ", "))"))
    }
}
