// Placeholder until the value coder lands.
package import MantaModel
package enum ValueEncoder {
    package static func encode(_ value: some Encodable, into writer: inout MessagePackWriter) throws(MantaError) { preconditionFailure("not yet") }
}
package enum ValueDecoder {
    package static func decode<T: Decodable>(_ type: T.Type, from reader: inout MessagePackReader) throws(MantaError) -> T { preconditionFailure("not yet") }
}
