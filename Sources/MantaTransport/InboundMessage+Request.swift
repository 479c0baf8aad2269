// What a process that takes requests asks of a message: the request to answer, or a clear complaint that it is none.

package import MantaModel

extension InboundMessage {
    /// The request to answer. Throws `malformed` when the message was sent one-way.
    package func required() throws(MantaError) -> Correlation {
        guard let correlation else { throw MantaError(.malformed, "a \(kind) message was sent one-way; it must be a request") }
        return correlation
    }
}
