// Backend: what users write: a type that answers requests. A replica makes one and gives it requests, several at a time.

public import MantaModel
import MantaWire

/// Answers the requests of an endpoint.
///
/// ```swift
/// struct Classifier: Backend {
///     let model: Model
///     init(_ context: BackendContext) async throws { model = try Model(context.configuration(as: Options.self).path) }
///     func handle(_ request: Request) async throws -> Response { .text(model.topic(of: request.text)) }
/// }
/// ```
///
/// With `@Deployable` before it the type can also be named in files that `manta serve deploy` reads, and by other programs. A thrown error becomes a 500 whose request identifier finds it among the errors.
public protocol Backend: Sendable {
    /// Called once in each replica, before it gets requests.
    init(_ context: BackendContext) async throws

    /// Answers one request. Called again before it returns: as often at once as the backend's `maxConcurrent` says, for each caller.
    func handle(_ request: Request) async throws -> Response

    /// The user's configuration has changed: what answers requests from now on. By default a new one made with it; requests under way end with the old one.
    func reconfigured(_ context: BackendContext) async throws -> Self
}

extension Backend {
    public func reconfigured(_ context: BackendContext) async throws -> Self { try await Self(context) }
}

/// What a backend knows of itself.
public struct BackendContext: Sendable {
    /// The backend's name.
    public let backend: String
    /// The version of the backend that this replica is of.
    public let version: String
    /// Which of that version's replicas this is, from 0.
    public let replica: Int
    /// The replica's own name, unique for ever.
    public let tag: String
    /// What the user configured, as it is; null if nothing.
    public let configuration: ConfigurationValue

    /// What the user configured, as a type of yours.
    ///
    /// - Throws: `MantaError` with the code `wrongType`, naming the member that does not fit.
    public func configuration<Configuration: Decodable>(as type: Configuration.Type = Configuration.self) throws -> Configuration {
        do throws(MantaError) {
            return try ValueDecoder.decode(type, from: try ValueEncoder.bytes(configuration))
        } catch {
            throw MantaError(error.code, "the configuration of backend \"\(backend)\": \(error.message)")
        }
    }
}
