// Serve: the way for programs to say what is served: backends, endpoints, traffic. Every call goes to the controller, which is made when it is not there.
//
// A change is durable and known to the proxies' head when its call returns; proxies follow within milliseconds. Calls may be repeated: the same content
// again is no error.

import Manta
import MantaCore
public import MantaModel

/// Serving on a cluster.
///
/// ```swift
/// let serve = try await Serve.connect()
/// try await serve.createBackend("classifier:v1", Classifier.self, .init(replicas: 2, maxConcurrent: 8))
/// try await serve.createEndpoint("classify", route: "/classify", methods: [.post], backend: "classifier:v1")
/// ```
public struct Serve: Sendable {
    let controller: ServeController.Handle

    /// Finds the cluster's controller, or makes it. Needs a session: `Manta.start()` or `Manta.connect()`.
    public static func connect() async throws -> Serve {
        let controller = ServeController.options(name: ServeController.name, namespace: serveNamespace, getIfExists: true).remote()
        _ = try await controller.listEndpoints().value
        return Serve(controller: controller)
    }

    // MARK: Backends

    /// Creates a backend and returns when its replicas are ready.
    ///
    /// - Parameters:
    ///   - name: unique, without spaces and slashes: `classifier:v1`.
    ///   - type: what answers requests; neither private nor local to a function.
    /// - Throws: `MantaError`: `alreadyExists` when the name belongs to another description, `invalidArgument`, and, with the reason,
    ///   `taskFailed` when its replicas do not start, `unschedulable` when there is no place for them; then there is no such backend afterwards.
    public func createBackend<Hosted: Backend>(_ name: String, _ type: Hosted.Type, _ options: BackendOptions = BackendOptions()) async throws {
        try await create(try Self.description(name, type, options))
    }

    /// Creates a backend whose type is in another program: `options.program` says where, `typeNamed` is `Module.Type` of a type that is `@Deployable`.
    public func createBackend(_ name: String, typeNamed type: String, _ options: BackendOptions) async throws {
        try await create(try options.description(named: name, type: type, program: try Self.program()))
    }

    private static func description(_ name: String, _ type: any Backend.Type, _ options: BackendOptions) throws -> BackendDescription {
        var description = try options.description(named: name, type: BackendTypes.name(of: type), program: try program())
        // Another program has the type, if at all, under its own name only.
        if options.program == nil { description.runtimeType = try BackendTypes.runtimeName(of: type) }
        return description
    }

    private func create(_ description: BackendDescription) async throws {
        let name = description.name
        let isNew = try await controller.listBackends().value.allSatisfy { $0.description.name != name }
        try await controller.createBackend(description).value
        do {
            try await controller.waitUntilReady(name).value
        } catch let error as MantaError where (error.code == .taskFailed || error.code == .unschedulable) && isNew {
            try? await controller.deleteBackend(name).value
            throw error
        }
    }

    /// Changes a backend and returns when all its replicas are as described. Numbers and configuration reach the replicas that are there; another version,
    /// type, program or other resources replace them, one by one, while the old ones serve.
    ///
    /// - Throws: `MantaError`: `notFound`, `invalidArgument`, and `taskFailed` with the reason when the new replicas do not start; the old ones serve on.
    public func updateBackend<Hosted: Backend>(_ name: String, _ type: Hosted.Type, _ options: BackendOptions) async throws {
        try await controller.updateBackend(try Self.description(name, type, options)).value
        try await controller.waitUntilReady(name).value
    }

    /// Changes some of a backend: `serve.updateBackend("classifier:v1") { $0.replicas = 3 }`.
    public func updateBackend(_ name: String, _ change: (inout BackendDescription) -> Void) async throws {
        var description = try await controller.backend(name).value.description
        change(&description)
        guard description.name == name else { throw MantaError(.invalidArgument, "backend \"\(name)\" cannot be renamed to \"\(description.name)\"; create another") }
        try await controller.updateBackend(description).value
        try await controller.waitUntilReady(name).value
    }

    /// Removes a backend; its replicas finish what they have.
    ///
    /// - Throws: `MantaError`: `notFound`, `conflict` naming the endpoints that use it.
    public func deleteBackend(_ name: String) async throws { try await controller.deleteBackend(name).value }

    /// Every backend with how it is doing, by name.
    public func listBackends() async throws -> [BackendRow] { try await controller.listBackends().value }

    /// Every replica that is not dead.
    public func listReplicas() async throws -> [ReplicaDescription] { try await controller.listReplicas().value }

    // MARK: Endpoints

    /// Creates an endpoint all of whose traffic goes to one backend.
    ///
    /// - Parameters:
    ///   - route: the path it answers, with all below it; nil for an endpoint that only handles call.
    ///   - methods: GET answers HEAD too.
    /// - Throws: `MantaError`: `alreadyExists` for a name or route that is taken, `notFound` for the backend, `invalidArgument`.
    public func createEndpoint(_ name: String, route: String? = nil, methods: [RequestMethod] = [.get], backend: String) async throws {
        try await createEndpoint(name, route: route, methods: methods, traffic: [backend: 1])
    }

    /// Creates an endpoint whose traffic is divided: the shares sum to 1.
    public func createEndpoint(_ name: String, route: String? = nil, methods: [RequestMethod] = [.get], traffic: [String: Double]) async throws {
        try await controller.createEndpoint(EndpointDescription(name: name, route: route, methods: methods, traffic: traffic)).value
    }

    /// Changes an endpoint: `serve.updateEndpoint("classify") { $0.methods = [.get, .post] }`.
    public func updateEndpoint(_ name: String, _ change: (inout EndpointDescription) -> Void) async throws {
        var description = try await controller.endpoint(name).value
        change(&description)
        guard description.name == name else { throw MantaError(.invalidArgument, "endpoint \"\(name)\" cannot be renamed to \"\(description.name)\"; create another") }
        try await controller.updateEndpoint(description).value
    }

    /// Frees the endpoint's name and route; its backends stay. Throws `notFound`.
    public func deleteEndpoint(_ name: String) async throws { try await controller.deleteEndpoint(name).value }

    /// Every endpoint, by name.
    public func listEndpoints() async throws -> [EndpointDescription] { try await controller.listEndpoints().value }

    /// Divides an endpoint's traffic anew, all at once and without losing a request: `["classifier:v1": 0.9, "classifier:v2": 0.1]`.
    ///
    /// - Throws: `MantaError`: `notFound` for the endpoint or a backend, `invalidArgument` unless the shares are 0 to 1 and sum to 1.
    public func setTraffic(_ endpoint: String, _ traffic: [String: Double]) async throws { try await controller.setTraffic(endpoint, traffic).value }

    /// Sends a copy of this share of the endpoint's requests to another backend, whose answers are dropped; 0 ends it.
    public func shadowTraffic(_ endpoint: String, to backend: String, fraction: Double) async throws {
        try await controller.shadowTraffic(endpoint, backend: backend, share: fraction).value
    }

    // MARK: All at once

    /// Makes a configuration all there is: creates, changes and removes what differs, and returns when every backend is ready. A configuration that
    /// cannot be changes nothing.
    public func apply(_ configuration: ServeConfiguration) async throws {
        let (backends, endpoints) = try configuration.descriptions(program: try Self.program())
        try await controller.replaceAll(backends: backends, endpoints: endpoints).value
        var failures: [String] = []
        for backend in backends {
            do { try await controller.waitUntilReady(backend.name).value } catch let error as MantaError { failures.append(error.message) }
        }
        if !failures.isEmpty { throw MantaError(.taskFailed, failures.joined(separator: "; ")) }
    }

    /// Removes every endpoint and backend, waits until all replicas are gone, and ends the controller. To serve again, connect again.
    public func shutdown() async throws {
        try await controller.replaceAll(backends: [], endpoints: []).value
        try await controller.waitUntilEmpty().value
        try await Manta.kill(controller)
    }

    /// A way to call an endpoint from Swift, by the same rules as HTTP requests.
    public func handle(_ endpoint: String) throws -> EndpointHandle { try EndpointHandle(endpoint: endpoint, router: SharedRouter.current()) }

    private static func program() throws(MantaError) -> Program { Program(path: try Session.executable()) }
}
