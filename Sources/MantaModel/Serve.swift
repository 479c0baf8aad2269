// Serve: the nouns of serving: backends, endpoints and replicas, as they stand in the head's tables "backends", "endpoints" and "replicas".
//
// A row is legal or it is not stored: `complaint` says what is wrong with one in a full sentence, whoever made it (Swift, YAML, the admin API). Rules
// between rows (names taken, backends in use) are `ServeTables`'. Seconds are `Double`s here, because people read and write these rows.

/// The tables that serving keeps at the head.
package enum ServeTable {
    package static let endpoints = "endpoints"
    package static let backends = "backends"
    package static let replicas = "replicas"
}

/// A request method that an endpoint may accept.
public enum RequestMethod: String, Sendable, Hashable, Codable, CaseIterable {
    case get = "GET"
    case head = "HEAD"
    case post = "POST"
    case put = "PUT"
    case patch = "PATCH"
    case delete = "DELETE"
    case options = "OPTIONS"
}

/// What runs behind endpoints: a program's type that answers requests, in some number of replicas.
public struct BackendDescription: Hashable, Sendable, Codable {
    /// Unique in the cluster: `classifier:v1`.
    public var name: String
    /// The executable its replicas run in.
    public var program: Program
    /// The Swift type that handles requests, `Module.Type`.
    public var type: String { didSet { if type != oldValue { runtimeType = nil } } }
    /// What the backend calls its present code; a new version means new replicas.
    public var version: String
    /// How many replicas there are to be; 0 keeps the backend without any.
    public var replicas: Int
    /// Requests that one caller (a proxy, a Swift program) sends to one replica at once.
    public var maxConcurrent: Int
    /// Requests that wait in one caller for a replica; further ones are refused with 503.
    public var maxQueued: Int
    /// What the user gives the replicas; a change reaches them without a restart.
    public var userConfiguration: ConfigurationValue
    /// What each replica holds.
    public var resources: Resources
    /// From arrival to answer, in seconds; then 504.
    public var requestTimeoutSeconds: Double
    /// What a replica that must go has, in seconds, to finish the requests it holds.
    public var drainSeconds: Double
    /// The Swift runtime's name of the type, where the program that made the description named the type in its code; else it is found by `type`.
    package var runtimeType: String?

    public init(
        name: String, program: Program, type: String, version: String = "1", replicas: Int = 1, maxConcurrent: Int = 100, maxQueued: Int = 200,
        userConfiguration: ConfigurationValue = .null, resources: Resources = Resources(), requestTimeoutSeconds: Double = 60, drainSeconds: Double = 20
    ) {
        (self.name, self.program, self.type, self.version, self.replicas) = (name, program, type, version, replicas)
        (self.maxConcurrent, self.maxQueued, self.userConfiguration) = (maxConcurrent, maxQueued, userConfiguration)
        (self.resources, self.requestTimeoutSeconds, self.drainSeconds) = (resources, requestTimeoutSeconds, drainSeconds)
    }

    /// Whether replicas of `other` can go on under this description: only numbers and the user's configuration differ.
    package func keepsReplicas(of other: BackendDescription) -> Bool {
        name == other.name && program == other.program && type == other.type && version == other.version && resources == other.resources
    }

    /// The first thing that is wrong, as a sentence; nil when all is well.
    package var complaint: String? {
        if let complaint = ServeRules.complaint(name: name, of: "backend") { return complaint }
        let subject = "backend \"\(name)\""
        if !program.path.hasPrefix("/") { return "\(subject): program is \"\(program.path)\"; expected the absolute path of an executable" }
        if type.isEmpty { return "\(subject) names no type; expected Module.Type of a type that conforms to Backend" }
        if version.utf8.count > Limits.nameBytes { return "\(subject): version has \(version.utf8.count) bytes; expected at most \(Limits.nameBytes)" }
        if replicas < 0 || replicas > ServeRules.replicas { return "\(subject): replicas is \(replicas); expected 0 to \(ServeRules.replicas)" }
        if maxConcurrent < 1 || maxConcurrent > ServeRules.requests {
            return "\(subject): maxConcurrent is \(maxConcurrent); expected 1 to \(ServeRules.requests)"
        }
        if maxQueued < 0 || maxQueued > ServeRules.requests { return "\(subject): maxQueued is \(maxQueued); expected 0 to \(ServeRules.requests)" }
        if let complaint = resources.complaint { return "\(subject): \(complaint)" }
        if !(requestTimeoutSeconds > 0 && requestTimeoutSeconds <= ServeRules.seconds) {
            return "\(subject): requestTimeoutSeconds is \(requestTimeoutSeconds); expected more than 0 and at most \(Int(ServeRules.seconds))"
        }
        if !(drainSeconds >= 0 && drainSeconds <= ServeRules.seconds) {
            return "\(subject): drainSeconds is \(drainSeconds); expected 0 to \(Int(ServeRules.seconds))"
        }
        return nil
    }
}

/// Where requests come in: a route and methods, and how their traffic is divided over backends.
public struct EndpointDescription: Hashable, Sendable, Codable {
    /// Unique in the cluster.
    public var name: String
    /// The path, and all below it, that this endpoint answers; nil when only Swift handles call it.
    public var route: String?
    /// The methods it answers; others get 405. GET answers HEAD too.
    public var methods: [RequestMethod]
    /// The share of requests each backend gets, by name; they sum to 1. A backend with 0 is tied to the endpoint but gets none.
    public var traffic: [String: Double]
    /// The share of requests of which a copy goes to a backend, by name; answers of copies are dropped. Each share is drawn by itself.
    public var shadows: [String: Double]

    public init(name: String, route: String?, methods: [RequestMethod] = [.get], traffic: [String: Double], shadows: [String: Double] = [:]) {
        (self.name, self.route, self.methods, self.traffic, self.shadows) = (name, route, methods, traffic, shadows)
    }

    /// Every backend it names.
    package var backends: Set<String> { Set(traffic.keys).union(shadows.keys) }

    /// The first thing that is wrong, as a sentence; nil when all is well. Whether the backends exist is not known here.
    package var complaint: String? {
        if let complaint = ServeRules.complaint(name: name, of: "endpoint") { return complaint }
        let subject = "endpoint \"\(name)\""
        if let route, let complaint = ServeRules.complaint(route: route) { return "\(subject): \(complaint)" }
        if methods.isEmpty { return "\(subject) has no methods; expected at least one of \(RequestMethod.allCases.map(\.rawValue).joined(separator: ", "))" }
        if Set(methods).count < methods.count { return "\(subject) names a method twice" }
        if let complaint = ServeRules.complaint(traffic: traffic) { return "\(subject): \(complaint)" }
        if let complaint = ServeRules.complaint(shadows: shadows) { return "\(subject): \(complaint)" }
        return nil
    }
}

/// starting → ready → draining → dead; any of them may die. A replacement is a new replica.
public enum ReplicaState: String, LifeCycle {
    case starting, ready, draining, dead
    package var successors: Set<ReplicaState> {
        switch self {
        case .starting: [.ready, .draining, .dead]
        case .ready: [.draining, .dead]
        case .draining: [.dead]
        case .dead: []
        }
    }
}

/// One replica of a backend: a detached actor that hosts the backend's type.
public struct ReplicaDescription: Hashable, Sendable, Codable {
    /// Unique for ever: `classifier:v1#3f2a90b1`; also the actor's name in the namespace `serve`.
    public var tag: String
    public var backend: String
    /// Which of the backend's replicas it is, from 0; freed when it is dead.
    public var index: Int
    /// The backend's version it was started with.
    public var version: String
    /// The backend's revision it was started with; replicas of older revisions are replaced.
    package var revision: UInt64
    public var state: ReplicaState
    /// Known from `ready` on.
    public var actor: ActorID?
    /// Where to send requests.
    package var address: ProcessAddress?
    public var pid: Int32?
    public var node: NodeID?
    public var startedAt: WallTime
    /// Which method of the actor handles a request, by its registered index.
    package var method: UInt32

    package init(
        tag: String, backend: String, index: Int, version: String, revision: UInt64, state: ReplicaState, actor: ActorID? = nil,
        address: ProcessAddress? = nil, pid: Int32? = nil, node: NodeID? = nil, startedAt: WallTime, method: UInt32 = 0
    ) {
        (self.tag, self.backend, self.index, self.version, self.revision, self.state) = (tag, backend, index, version, revision, state)
        (self.actor, self.address, self.pid, self.node, self.startedAt, self.method) = (actor, address, pid, node, startedAt, method)
    }
}

/// How a backend is doing.
public struct BackendStatus: Hashable, Sendable, Codable {
    public enum State: String, Sendable, Codable {
        /// Replicas are being started or replaced.
        case updating
        /// All wanted replicas are ready, and of the present version.
        case healthy
        /// The present version's replicas fail to start or keep dying; those of the version before keep serving, if there are any.
        case failed
    }
    public var state: State
    /// Replicas that take requests now.
    public var ready: Int
    /// Why, when it is not healthy.
    public var message: String

    public init(state: State, ready: Int, message: String) { (self.state, self.ready, self.message) = (state, ready, message) }
}

/// A row of the table of backends: what is wanted and how it is.
public struct BackendRow: Hashable, Sendable, Codable {
    public var description: BackendDescription
    public var status: BackendStatus
    /// Grows when replicas of the description before cannot go on.
    package var revision: UInt64

    package init(description: BackendDescription, status: BackendStatus, revision: UInt64) {
        (self.description, self.status, self.revision) = (description, status, revision)
    }
}

/// What names, routes, shares and numbers must be.
package enum ServeRules {
    /// Replicas of one backend.
    package static let replicas = 10_000
    /// Requests in flight at, or waiting for, one backend.
    package static let requests = 1_000_000
    /// The longest time-out: a day.
    package static let seconds: Double = 86_400
    /// How far a sum of shares may be from 1: as far as decimal fractions are from binary ones.
    package static let tolerance = 1e-6
    /// The path under which the platform's own pages live.
    package static let reservedRoute = "/-"

    package static func complaint(name: String, of noun: String) -> String? {
        if name.isEmpty { return "the \(noun)'s name is empty; give it one" }
        if name.utf8.count > Limits.nameBytes { return "the \(noun)'s name has \(name.utf8.count) bytes; expected at most \(Limits.nameBytes)" }
        if name.unicodeScalars.contains(where: { $0.properties.isWhitespace || $0.value < 0x20 || $0.value == 0x7f || "/?#%\"\\".unicodeScalars.contains($0) }) {
            return "the \(noun)'s name holds a space, a control character or one of / ? # % \" \\; names stand in URLs, use letters, digits and - _ . :"
        }
        return nil
    }

    package static func complaint(route: String) -> String? {
        if !route.hasPrefix("/") { return "route \"\(route)\" must begin with a slash" }
        if route.utf8.count > 1024 { return "the route has \(route.utf8.count) bytes; expected at most 1024" }
        if route == reservedRoute || route.hasPrefix(reservedRoute + "/") { return "route \"\(route)\" is under /-/, which belongs to the platform; use another" }
        if route != "/", route.hasSuffix("/") { return "route \"\(route)\" must not end with a slash; it covers everything below it anyway" }
        for segment in route.dropFirst().split(separator: "/", omittingEmptySubsequences: false) where route != "/" {
            if segment.isEmpty { return "route \"\(route)\" has an empty segment" }
            if segment == "." || segment == ".." { return "route \"\(route)\" has the segment \"\(segment)\", which no request can have" }
        }
        if route.unicodeScalars.contains(where: { $0.value < 0x21 || $0.value == 0x7f || "?#%\\".unicodeScalars.contains($0) }) {
            return "route \"\(route)\" holds a space, a control character or one of ? # % \\; write the path as it is after decoding, without a query"
        }
        return nil
    }

    package static func complaint(traffic: [String: Double]) -> String? {
        if traffic.isEmpty { return "its traffic goes to no backend; name at least one" }
        for (backend, weight) in traffic.sorted(by: { $0.key < $1.key }) where !(weight >= 0 && weight <= 1 + tolerance) {
            return "the traffic of backend \"\(backend)\" is \(weight); expected 0 to 1"
        }
        let sum = traffic.values.reduce(0, +)
        if abs(sum - 1) > tolerance { return "the traffic sums to \(sum); expected 1" }
        return nil
    }

    package static func complaint(shadows: [String: Double]) -> String? {
        for (backend, share) in shadows.sorted(by: { $0.key < $1.key }) where !(share > 0 && share <= 1) {
            return "the shadow traffic of backend \"\(backend)\" is \(share); expected more than 0 and at most 1"
        }
        return nil
    }
}
