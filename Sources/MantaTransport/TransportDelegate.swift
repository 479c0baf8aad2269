// TransportDelegate: what a process hears from its links. InboundMessage: one message as it arrives, its body not yet decoded.

package import MantaModel
package import MantaWire

/// Told by a `Transport`, on its loop, about links and messages.
package protocol TransportDelegate: AnyObject {
    /// The peer of a new link has said who it is. Messages of it come after this.
    func linkOpened(_ link: Link, hello: Hello)
    /// The link was broken and is whole again; one-way messages may have been lost. What is sent here goes before everything that waited.
    /// - Parameter restarted: Another process answers at the endpoint now: it knows nothing of what was said before.
    func linkReopened(_ link: Link, hello: Hello, restarted: Bool)
    /// A request or a one-way message. A request must be answered by `link.reply` or `link.fail`, now or later.
    func received(_ message: inout InboundMessage, on link: Link)
    /// The link is over, opened or not; its requests have failed with the same error. Not called for links closed on this side.
    func linkClosed(_ link: Link, error: MantaError)
    /// Whether others will tell of the end of the link's peer and how it came, so that the link is kept for a while although nobody listens
    /// there any more.
    func waitsForWord(of link: Link) -> Bool
    /// A process was turned away: another protocol version or another cluster.
    func linkRefused(_ hello: Hello, error: MantaError)
    /// A peer sent what the protocol does not allow; it was dropped.
    func received(malformed error: MantaError, on link: Link)
}

extension TransportDelegate {
    package func linkReopened(_ link: Link, hello: Hello, restarted: Bool) {}
    package func waitsForWord(of link: Link) -> Bool { false }
    package func linkRefused(_ hello: Hello, error: MantaError) {}
    package func received(malformed error: MantaError, on link: Link) {}
}

/// Names a request of a peer, for the answer. An answer to a request of the peer's former incarnation goes nowhere.
package struct Correlation: Hashable, Sendable {
    let number: UInt64
    let epoch: UInt32
}

/// A message on its way in.
package struct InboundMessage {
    package let kind: MessageKind
    /// The request to answer; nil for a one-way message.
    package let correlation: Correlation?
    /// What is left of the sender's patience; nil: no limit.
    package let deadline: Duration?
    /// Stands at the body.
    package var body: MessagePackReader

    package var isRequest: Bool { correlation != nil }

    /// Reads the body. The kind is to be checked before.
    package mutating func decode<Message: WireMessage>(_ type: Message.Type = Message.self) throws(MantaError) -> Message {
        assert(kind == type.kind, "a \(kind) is not decoded as \(type)")
        return try Message(from: &body)
    }
}
