// PendingRequest: a request that waits for its answer. It keeps the message, to be sent again when the link was broken.

import MantaModel
import MantaWire

/// What a link knows of a request; the subclass knows its types.
class PendingRequest {
    let kind: MessageKind
    let due: Instant?
    let patience: Duration?

    init(kind: MessageKind, due: Instant?, patience: Duration?) { (self.kind, self.due, self.patience) = (kind, due, patience) }

    func write(into writer: inout MessagePackWriter, number: UInt64, milliseconds: UInt64, limit: Int) throws(MantaError) {}
    func answer(_ header: RecordHeader, _ body: inout MessagePackReader) {}
    func fail(_ error: MantaError) {}
}

final class TypedRequest<Request: WireRequest>: PendingRequest {
    private let request: Request
    private let reply: (Result<Request.Reply, MantaError>) -> Void

    init(_ request: Request, due: Instant?, patience: Duration?, reply: @escaping (Result<Request.Reply, MantaError>) -> Void) {
        (self.request, self.reply) = (request, reply)
        super.init(kind: Request.kind, due: due, patience: patience)
    }

    override func write(into writer: inout MessagePackWriter, number: UInt64, milliseconds: UInt64, limit: Int) throws(MantaError) {
        try writer.writeRecord(request, flags: .request, correlation: number, milliseconds: milliseconds, limit: limit)
    }

    override func answer(_ header: RecordHeader, _ body: inout MessagePackReader) {
        do throws(MantaError) {
            if header.kind == Request.Reply.kind.rawValue {
                reply(.success(try Request.Reply(from: &body)))
            } else if header.kind == MessageKind.failed.rawValue {
                reply(.failure(try Failed(from: &body).error))
            } else {
                let found = MessageKind(rawValue: header.kind).map { "\($0)" } ?? "unknown kind \(header.kind)"
                throw MantaError(.malformed, "the answer to \(kind) is \(found); expected \(Request.Reply.kind)")
            }
        } catch { reply(.failure(error)) }
    }

    override func fail(_ error: MantaError) { reply(.failure(error)) }
}
