// BackendTypes: from what a backend's description says of its type to the type, in a program that has it.
//
// A type that the creating program named in its code is found by the runtime's own name for it; one that a file or another program names must be
// registered by `@Deployable`. So whatever is found in a debug build is found in an optimized one.

import Manta
import MantaModel

enum BackendTypes {
    /// `Module.Type`, as users and tables name it.
    static func name(of type: any Backend.Type) -> String { String(reflecting: type) }

    /// The runtime's name of a type of this program, for replicas of the same program; nil when its own name is enough.
    ///
    /// - Throws: `invalidArgument` for a type that no other process can find.
    static func runtimeName(of type: any Backend.Type) throws(MantaError) -> String? {
        if try deployable()[name(of: type)] != nil { return nil }
        guard let mangled = _mangledTypeName(type), let found = _typeByName(mangled), found == type else {
            throw MantaError(
                .invalidArgument, "the type \(name(of: type)) cannot be found by replicas, which are other processes; it must be neither private nor local to a function")
        }
        return mangled
    }

    /// The type of a backend; throws what is wrong with its name.
    static func type(of description: BackendDescription) throws(MantaError) -> any Backend.Type {
        if let mangled = description.runtimeType, let type = _typeByName(mangled) as? any Backend.Type { return type }
        return try type(named: description.type)
    }

    /// The type that is registered under a name.
    static func type(named name: String) throws(MantaError) -> any Backend.Type {
        let known = try deployable()
        if let type = known[name] { return type }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count >= 2, parts.allSatisfy({ !$0.isEmpty }) else {
            throw MantaError(.invalidArgument, "the backend type \"\(name)\" is no full name; expected Module.Type, \(list(known.keys))")
        }
        throw MantaError(
            .unknownFunction, "this program has no backend \(name) to deploy: declare it as `@Deployable struct \(parts[parts.count - 1]): Backend` and build again; \(list(known.keys))")
    }

    private static func list(_ names: some Collection<String>) -> String {
        names.isEmpty ? "so far the program has none" : "the program has " + names.sorted().prefix(20).joined(separator: ", ") + (names.count > 20 ? " and \(names.count - 20) more" : "")
    }

    /// Every registered backend of this program.
    private static func deployable() throws(MantaError) -> [String: any Backend.Type] { try found.get() }

    private static let found: Result<[String: any Backend.Type], MantaError> = Result { () throws(MantaError) in
        let types = try Records.types().compactMap { $0 as? any Backend.Type }
        return Dictionary(types.map { (name(of: $0), $0) }, uniquingKeysWith: { first, _ in first })
    }
}
