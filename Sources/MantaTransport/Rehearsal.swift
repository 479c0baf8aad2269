// Rehearsal: what a transport does when its first links open, without sockets. The first time costs a process most: the Swift runtime looks through all that
// is loaded for which type conforms to what, and remembers the answers. What is forked from a process that has rehearsed knows them.

import CSystem
import Glibc
package import MantaLoop
import MantaModel
package import MantaWire

extension Transport {
    /// Loaded and looked up by ZeroMQ with the first context; it begins threads with the first socket only.
    private static let context = ZeroMQContext()

    /// Opens a link in each direction and lets `exchange` use the first; nothing leaves. Touches neither sockets, nor threads, nor tasks.
    package static func rehearse(on loop: EventLoop, _ identity: Hello, delegate: any TransportDelegate, _ exchange: (Link) -> Void) {
        let transport = Transport(loop: loop, identity: identity, delegate: delegate, context: context)
        let link = Link(.outgoing, to: identity.endpoint, number: 1, transport: transport)
        link.name = identity.endpoint
        transport.outgoing[link.name] = link
        link.writeHandshake(identity, correlation: link.number)
        transport.armGrace(link)
        transport.receive(record(Welcome(hello: identity)), on: link)
        exchange(link)
        transport.receive(record(Acknowledged(), flags: .reply, correlation: 1), on: link)
        transport.receive(record(identity, correlation: 2).bytes, fromUnknown: 1, connection: 1)
        transport.flush()
        if let descriptor = try? loop.addDescriptor(eventfd(0, Int32(EFD_CLOEXEC)), .read, handler: { _ in }) { loop.removeDescriptor(descriptor) }
        transport.close(saysGoodbye: false)
    }

    private static func record(_ message: some WireMessage, flags: RecordFlags = [], correlation: UInt64 = 0) -> RecordReader {
        var writer = MessagePackWriter()
        _ = try? writer.writeRecord(message, flags: flags, correlation: correlation, limit: .max)
        return RecordReader(writer.bytes)
    }
}
