// Deployable: `@Deployable`, which registers a backend's type under its name, `Module.Type`, so that files and other programs can name it.
//
// A record in the program keeps the type there: without one an optimized build may leave out what no code of the program names.

public import Manta

/// Lets a backend be deployed by its name, from a file or by another program: `type: Shop.Classifier` in `manta serve deploy`.
///
/// ```swift
/// @Deployable struct Classifier: Backend { … }
/// ```
///
/// A backend that only its own program creates, by `serve.createBackend("classifier:v1", Classifier.self)`, does not need it. For a struct, final class,
/// actor or enum that is neither generic nor private nor local to a function.
@attached(member, names: named(_record))
public macro Deployable() = #externalMacro(module: "MantaMacros", type: "DeployableMacro")

/// For the macro: the form of a record.
public typealias _BackendRecord = _Record

/// For the macro: stores a backend's type where the reader of the record wants it.
public func _register(_ slot: UnsafeMutableRawPointer, backend: any Backend.Type) -> Bool { unsafe _register(slot, type: backend) }
