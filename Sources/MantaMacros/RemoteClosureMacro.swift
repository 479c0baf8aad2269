// RemoteClosureMacro: `#remote(a, b) { (x: A, y: B) in … }`: a local enum that holds the closure as a static, registered by file, line and column.
//
// A static cannot see local values, so a capture is a compile error in the expansion. The parameters' written types type the arguments.

import SwiftDiagnostics
import SwiftSyntax
import SwiftSyntaxMacros

public struct RemoteClosureMacro: ExpressionMacro {
    public static var formatMode: FormatMode { .disabled }

    public static func expansion(of node: some FreestandingMacroExpansionSyntax, in context: some MacroExpansionContext) throws -> ExprSyntax {
        var diagnostics: [Diagnostic] = []
        let arguments = node.arguments.filter { $0.label?.text != "body" }
        let closure = node.trailingClosure ?? node.arguments.first { $0.label?.text == "body" }?.expression.as(ClosureExprSyntax.self)
        guard let closure else {
            context.report([.error(node, "#remote needs a closure: #remote(a, b) { (x: A, y: B) in … }")])
            return "preconditionFailure()"
        }
        let types = parameterTypes(closure, &diagnostics)
        if let capture = closure.signature?.capture {
            diagnostics.append(.error(capture, "a remote closure cannot capture: give the value as an argument"))
        }
        if diagnostics.isEmpty, types.count > 6 {
            diagnostics.append(.error(closure, "a remote closure takes at most 6 arguments; put them into a struct, or declare a @Remote function"))
        }
        if diagnostics.isEmpty, types.count != arguments.count {
            diagnostics.append(.error(closure, "the closure takes \(types.count) arguments, \(arguments.count) are given; write one parameter with its type for each"))
        }
        guard let place = Place(of: node, in: context, what: "closure", allowsLocal: true, diagnostics: &diagnostics), diagnostics.isEmpty else {
            context.report(diagnostics)
            return "preconditionFailure()"
        }
        let position = context.location(of: node, at: .afterLeadingTrivia, filePathMode: .fileID)
        let name = "\(place.module).\(place.file):\(position?.line.trimmedDescription ?? "0"):\(position?.column.trimmedDescription ?? "0")"
        let parameters = types.enumerated().map { "(label: nil, name: \"\($0.offset)\", type: \(literal($0.element)), hasDefault: false)" }.joined(separator: ", ")
        let passed = zip(arguments, types).map { ", Manta::_argument(\($0.expression.trimmedDescription), as: (\($1)).self)" }.joined()
        let type = context.makeUniqueName("Closure").text
        return """
            {
            nonisolated enum \(raw: type): Manta::_RemoteCode {
            static let body = Manta::_RemoteClosure(\(closure.trimmed))
            static let _signature: Manta::_Signature = Manta::_Signature(\(raw: literal(name)), [\(raw: parameters)], results: 1)
            nonisolated(nonsending) static func _invoke(_ call: Manta::_Invocation) async throws -> Manta::_Reply { try await body.invoke(call) }
            @section("manta_records") @used private static let _record: Manta::_Record = (1, 1, { unsafe Manta::_register($0, function: \(raw: type).self) }, 0)
            }
            return \(raw: type).body.submit(\(raw: type).self\(raw: passed))
            }()
            """
    }

    private static func parameterTypes(_ closure: ClosureExprSyntax, _ diagnostics: inout [Diagnostic]) -> [String] {
        guard let clause = closure.signature?.parameterClause else { return [] }
        guard let parameters = clause.as(ClosureParameterClauseSyntax.self)?.parameters else {
            diagnostics.append(.error(clause, "a remote closure needs the types of its parameters: { (x: A, y: B) in … }"))
            return []
        }
        return parameters.compactMap { parameter in
            guard let type = parameter.type else {
                diagnostics.append(.error(parameter, "a remote closure needs the types of its parameters: { (x: A, y: B) in … }"))
                return nil
            }
            return type.trimmedDescription
        }
    }
}
