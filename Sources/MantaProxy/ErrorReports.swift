// ErrorReports: what operators get to read of failed requests: collected, and sent to the head some times a second, so that a failing backend cannot fill
// the head. What is over the bound is counted and said.

import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

final class ErrorReports {
    private static let period: Duration = .milliseconds(200)
    private static let rowsPerPeriod = 50

    private let loop: EventLoop
    private let send: ([ErrorRow]) -> Void
    private var rows: [ErrorRow] = []
    private var dropped = 0
    private var isScheduled = false

    init(loop: EventLoop, send: @escaping ([ErrorRow]) -> Void) { (self.loop, self.send) = (loop, send) }

    func report(code: String, message: String, actor: ActorID?, node: NodeID?, requestID: String) {
        if !isScheduled {
            isScheduled = true
            loop.schedule(after: Self.period) { [weak self] in self?.flush() }
        }
        guard rows.count < Self.rowsPerPeriod else { return dropped += 1 }
        rows.append(ErrorRow(at: .now, code: code, message: message, source: "http", actor: actor, node: node, requestId: requestID))
    }

    private func flush() {
        isScheduled = false
        if dropped > 0 {
            let message = "\(dropped) further requests failed within \(Self.period); their errors were left out"
            rows.append(ErrorRow(at: .now, code: MantaError.Code.overloaded.rawValue, message: message, source: "http"))
        }
        send(rows)
        (rows, dropped) = ([], 0)
    }
}
