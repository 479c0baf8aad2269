// RemoteFunction: what `@Remote` makes of a function: a type with `remote` and `options`, and the code that runs the function on a worker.

import MantaModel
import MantaWorker

/// Something a worker can run by name. Made by the macros.
public protocol _RemoteCode: SendableMetatype {
    nonisolated static var _signature: _Signature { get }
    /// Decodes, calls, encodes.
    nonisolated(nonsending) static func _invoke(_ call: _Invocation) async throws -> _Reply
}

/// The remote form of a function. Made by `@Remote`.
public protocol RemoteFunction: _RemoteCode {
    nonisolated static var _defaults: FunctionOptions { get }
    nonisolated var _options: FunctionOptions { get set }
}

extension RemoteFunction {
    /// The same function with other options for the calls made on what is returned: `train.options(gpus: 2).remote(data)`.
    ///
    /// What is not given stays as `@Remote` said; see there for what each means.
    public nonisolated func options(
        cpus: Double? = nil, gpus: Double? = nil, memory: Int? = nil, resources: [String: Double]? = nil, retries: Int? = nil,
        retryOn: RetryCondition? = nil, timeout: Duration? = nil, name: String? = nil, scheduling: Scheduling? = nil, maxCalls: Int? = nil
    ) -> Self {
        var result = self
        result._options = _options.overridden(
            by: FunctionOptions(
                cpus: cpus, gpus: gpus, memory: memory, resources: resources, retries: retries, retryOn: retryOn, timeout: timeout, name: name,
                scheduling: scheduling, maxCalls: maxCalls))
        return result
    }

    /// For the macros: encodes the arguments and submits.
    public nonisolated func _submit(_ build: (inout _Arguments) throws -> Void) -> _Results {
        Self._submit(_options, build)
    }
}

extension _RemoteCode {
    nonisolated static func _submit(_ options: FunctionOptions, _ build: (inout _Arguments) throws -> Void) -> _Results {
        let signature = _signature.entry
        do {
            guard let runtime = CurrentRuntime.get() else { throw CurrentRuntime.missing }
            var options = try options.checked.get()
            if signature.isStream { options = options.with(isStream: true) }
            var arguments = _Arguments(count: signature.parameters.count)
            try build(&arguments)
            return _Results(
                handles: runtime.submit(function: signature.name, arguments: arguments.sources, resultCount: signature.resultCount, options: options))
        } catch {
            return .failed(signature.name, error, count: signature.resultCount)
        }
    }

    nonisolated static var _entry: FunctionEntry {
        let signature = _signature.entry
        return FunctionEntry(signature: signature) { arguments in
            try await _invoke(try _Invocation(signature, arguments)).values
        }
    }
}
