// JSONError: why bytes are no acceptable JSON, or why a JSON value is not the type that was wanted: where, what was expected, what was found.
//
// The text never repeats more than a few characters of the input, so it may be shown to whoever sent it.

package import MantaModel

/// What is wrong with a JSON text or value.
package enum JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A place in a text. Lines and columns count from 1, columns in characters; bytes count from 0.
    package struct Position: Hashable, Sendable, CustomStringConvertible {
        package var line: Int
        package var column: Int
        package var byte: Int
        package var description: String { "line \(line), column \(column) (byte \(byte))" }
    }

    /// The text is over the limit; sizes are bytes.
    case tooLarge(size: Int, limit: Int)
    /// Arrays and objects are nested deeper than the limit.
    case tooDeep(limit: Int, at: Position)
    /// The text is not JSON, or breaks a rule of this reader: `message` says what was expected.
    case syntax(message: String, at: Position)
    /// The value at `path` is another kind of thing than the type wants. `path` is empty for the document itself.
    case mismatch(path: String, expected: String, found: String)
    /// A member that the type needs is not there.
    case missing(path: String)
    /// A member that the type does not know.
    case unknown(path: String, known: [String])
    /// The value at `path` is of the right kind but not allowed, for the reason given.
    case invalid(path: String, reason: String)

    package var description: String {
        switch self {
        case .tooLarge(let size, let limit): "the JSON text has \(size) bytes; expected at most \(limit)"
        case .tooDeep(let limit, let at): "\(at): nested too deep; expected at most \(limit) levels of arrays and objects"
        case .syntax(let message, let at): "\(at): \(message)"
        case .mismatch(let path, let expected, let found): "\(Self.prefix(path))expected \(expected), found \(found)"
        case .missing(let path): "\(path): this member is missing"
        case .unknown(let path, let known):
            known.isEmpty
                ? "\(path): unknown member; expected an object without members"
                : "\(path): unknown member; expected one of \(known.joined(separator: ", "))"
        case .invalid(let path, let reason): "\(Self.prefix(path))\(reason)"
        }
    }

    /// The same as the platform's error, for callers that know no JSON.
    package var mantaError: MantaError {
        switch self {
        case .tooLarge: MantaError(.tooLarge, description)
        case .tooDeep, .syntax: MantaError(.malformed, description)
        case .mismatch, .missing, .unknown, .invalid: MantaError(.invalidArgument, description)
        }
    }

    private static func prefix(_ path: String) -> String { path.isEmpty ? "" : "\(path): " }
}
