// BackendTypes: from a type's name, `Module.Type`, to the type. The Swift runtime knows every type of the program by its mangled name; nothing must be listed.

import MantaModel

enum BackendTypes {
    /// `Module.Type`, as users and tables name it.
    static func name(of type: any Backend.Type) -> String { String(reflecting: type) }

    /// The backend type of that name in this program; throws what is wrong with the name in full.
    static func type(named name: String) throws(MantaError) -> any Backend.Type {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 2, parts.allSatisfy({ !$0.isEmpty }) else {
            throw MantaError(.invalidArgument, "the backend type \"\(name)\" is no full name; expected Module.Type, for example Echo.EchoBackend")
        }
        guard parts.count <= 5 else { throw MantaError(.invalidArgument, "the backend type \"\(name)\" is nested too deeply; expected at most four types") }
        for mangled in candidates(parts[0], parts.dropFirst()) {
            guard let type = _typeByName(mangled) else { continue }
            guard let backend = type as? any Backend.Type else {
                throw MantaError(.wrongType, "the type \(name) does not conform to Backend; declare `struct \(parts.last ?? ""): Backend`")
            }
            return backend
        }
        throw MantaError(
            .unknownFunction,
            "this program has no type \(name); it must be a struct, final class, actor or enum, spelt Module.Type as in its source, and named somewhere in the program's code: an optimized build leaves out what nothing uses")
    }

    /// A name does not say what kind of type each part is: all kinds are tried.
    private static func candidates(_ module: String, _ types: ArraySlice<String>) -> [String] {
        var candidates = [identifier(module)]
        for type in types { candidates = candidates.flatMap { prefix in ["V", "C", "O"].map { prefix + identifier(type) + $0 } } }
        return candidates
    }

    private static func identifier(_ text: String) -> String { "\(text.utf8.count)\(text)" }
}
