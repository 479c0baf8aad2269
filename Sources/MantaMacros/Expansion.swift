// Expansion: the pieces of code that functions and actor methods share: the overloads of a call, the signature, the body that runs it.
//
// Up to three parameters get an overload for each mix of values and references, which needs no conformances and gives the plainest messages; more get
// one with values only and one with `some RemoteArgument<T>`.

/// The indentation-free lines of an expansion.
struct CallForms {
    let signature: Signature
    /// `remote` or `callAsFunction`.
    let name: String
    let access: String
    /// The expression that submits: takes the building closure as its last argument. `_submit` or `_actor._call(type, index, ...)`.
    let submit: (_ closure: String) -> String
    /// What the call returns, when it is no reference: an initializer returns a handle.
    var returning: String?

    var declarations: [String] {
        let count = signature.parameters.count
        if count <= 3 { return (0..<(1 << count)).map { form(references: $0) } }
        return [form(references: 0), anyForm()]
    }

    private func form(references: Int) -> String {
        var parameters: [String] = []
        var build: [String] = []
        for (index, parameter) in signature.parameters.enumerated() {
            let isReference = references & (1 << index) != 0
            let head = head(of: parameter, index)
            if isReference {
                parameters.append("\(head): Manta::ObjectReference<\(plain(parameter.type))>")
                build.append("$0.reference(\(local(index)))")
            } else {
                parameters.append("\(head): \(parameter.type)\(parameter.defaultValue.map { " = \($0)" } ?? "")")
                build.append("try $0.value(\(local(index)))")
            }
        }
        return function(parameters, build)
    }

    private func anyForm() -> String {
        let parameters = signature.parameters.enumerated().map { "\(head(of: $1, $0)): some Manta::RemoteArgument<\(plain($1.type))>" }
        return function(parameters, signature.parameters.indices.map { "try $0.argument(\(local($0)))" })
    }

    private func function(_ parameters: [String], _ build: [String]) -> String {
        let closure = build.isEmpty ? "{ _ in }" : "{ \(build.joined(separator: "; ")) }"
        var isDiscardable = returning == nil
        // Who drops a stream wants none of its items.
        if case .stream = signature.result { isDiscardable = false }
        let head = "\(isDiscardable ? "@discardableResult " : "")\(access)nonisolated func \(name)(\(parameters.joined(separator: ", ")))"
        if let returning { return "\(head) -> \(returning) { \(submit(closure)) }" }
        if case .stream = signature.result { return "\(head) -> \(signature.referenceType) { \(submit(closure)).stream() }" }
        guard case .tuple(let parts) = signature.result else {
            return "\(head) -> \(signature.referenceType) { \(submit(closure)).reference(0) }"
        }
        let values = parts.enumerated().map { "\($1.label.map { "\($0): " } ?? "")results.reference(\($0))" }.joined(separator: ", ")
        return "\(head) -> \(signature.referenceType) { let results = \(submit(closure)); return (\(values)) }"
    }

    /// The label as in the source, and a name that cannot hide anything the body uses.
    private func head(of parameter: Signature.Parameter, _ index: Int) -> String {
        parameter.label == local(index) ? local(index) : "\(parameter.label ?? "_") \(local(index))"
    }

    private func local(_ index: Int) -> String {
        let name = signature.parameters[index].name
        return reserved.contains(name) ? "_argument\(index)" : name
    }

    /// `T!` is `T?` as a generic argument.
    private func plain(_ type: String) -> String { type.hasSuffix("!") ? type.dropLast() + "?" : type }
}

/// Names a parameter may have but the expansion's body cannot use: its own, and keywords, which need no backticks as labels.
private let reserved: Set<String> = [
    "_", "results", "_submit", "_actor", "_create", "_type", "_options", "_defaults", "Any", "Self", "as", "break", "case", "catch", "class", "continue",
    "default", "defer", "deinit", "do", "else", "enum", "extension", "fallthrough", "false", "fileprivate", "for", "func", "guard", "if", "import", "in",
    "init", "internal", "is", "let", "nil", "operator", "private", "protocol", "public", "repeat", "rethrows", "return", "self", "static", "struct",
    "subscript", "super", "switch", "throw", "throws", "true", "try", "typealias", "var", "where", "while",
]

extension Signature {
    /// The expression that makes the signature known to the runtime.
    func description(named name: String, options: String? = nil) -> String {
        let tuples = parameters.map { parameter in
            "(label: \(parameter.label.map { literal($0.withoutBackticks) } ?? "nil"), name: \(literal(parameter.name.withoutBackticks)), type: \(literal(parameter.type)), hasDefault: \(parameter.defaultValue != nil))"
        }
        return "Manta::_Signature(\(literal(name)), [\(tuples.joined(separator: ", "))], results: \(resultCount)\(isStream ? ", isStream: true" : "")\(options.map { ", options: Manta::CallOptions(\($0))" } ?? ""))"
    }

    /// The decoded argument at an index, or its default.
    func decodedArgument(_ index: Int) -> String {
        let parameter = parameters[index]
        let decoded = "call.argument(\(index), as: (\(parameter.type.hasSuffix("!") ? parameter.type.dropLast() + "?" : parameter.type)).self)"
        return parameter.defaultValue.map { "call.isAbsent(\(index)) ? (\($0)) : \(decoded)" } ?? decoded
    }

    /// The arguments of a call that decodes each, with labels.
    var decodedArguments: String {
        parameters.indices.map { "\(parameters[$0].label.map { "\($0): " } ?? "")\(decodedArgument($0))" }.joined(separator: ", ")
    }

    /// The same without labels, for a call of a function value.
    var unlabelledDecodedArguments: String { parameters.indices.map { decodedArgument($0) }.joined(separator: ", ") }

    /// Lines that make the reply of a call expression.
    func reply(to call: String) -> [String] {
        switch result {
        case .void: [call, "return Manta::_Reply.void"]
        case .single: ["let result = \(call)", "return try Manta::_Reply(result)"]
        case .stream: ["let result = \(call)", "return try await Manta::_Reply(draining: result)"]
        case .tuple(let parts): ["let result = \(call)", "return try Manta::_Reply(\(parts.indices.map { "result.\($0)" }.joined(separator: ", ")))"]
        }
    }
}

extension String {
    var withoutBackticks: String { hasPrefix("`") && hasSuffix("`") && count > 1 ? String(dropFirst().dropLast()) : self }
}
