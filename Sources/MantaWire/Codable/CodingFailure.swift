// CodingFailure: how an encoding or decoding failure reads: which type, where inside the value, what was expected and what was found.

import MantaModel

enum CodingFailure {
    /// `orders[3].price`; `the value itself` for an empty path.
    static func path(_ keys: [any CodingKey]) -> String {
        if keys.isEmpty { return "the value itself" }
        var text = ""
        for key in keys {
            if let index = (key as? IndexKey)?.index {
                text += "[\(index)]"
            } else {
                text += text.isEmpty ? key.stringValue : "." + key.stringValue
            }
        }
        return text
    }

    static func encoding<Value>(_ error: any Error, type: Value.Type) -> MantaError {
        switch error {
        case let error as MantaError: return error
        case EncodingError.invalidValue(_, let context):
            return MantaError(.wrongType, "\(Value.self) cannot be encoded: at \(path(context.codingPath)): \(context.debugDescription)")
        default:
            return MantaError(.wrongType, "\(Value.self) cannot be encoded: its encode(to:) threw", cause: error)
        }
    }

    static func decoding<Value>(_ error: any Error, type: Value.Type) -> MantaError {
        let context: DecodingError.Context
        switch error {
        case let error as MantaError:
            // What the buffer itself complains about lacks only the type that was wanted.
            return error.code == .malformed ? MantaError(.malformed, "\(Value.self) cannot be decoded: \(error.message)") : error
        case DecodingError.typeMismatch(_, let found), DecodingError.valueNotFound(_, let found), DecodingError.dataCorrupted(let found):
            context = found
        case DecodingError.keyNotFound(let key, let found):
            return MantaError(.wrongType, "\(Value.self) cannot be decoded: at \(path(found.codingPath)): the key \"\(key.stringValue)\" is missing")
        default:
            return MantaError(.wrongType, "\(Value.self) cannot be decoded: its init(from:) threw", cause: error)
        }
        return MantaError(.wrongType, "\(Value.self) cannot be decoded: at \(path(context.codingPath)): \(context.debugDescription)")
    }
}
