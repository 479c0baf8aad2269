// AnsweredRequests: what a link has answered to requests that are not to be carried out twice: each gets its first answer again when it comes again.
//
// A peer sends a request again when the link broke before the answer came. Most come to the same a second time; the kinds that do not are remembered here
// with their answers, the latest ones of each link, for as long as the peer is the same process.

import DequeModule
import MantaModel
import MantaWire

extension MessageKind {
    /// Whether a second time would not come to the same.
    var runsOnce: Bool {
        switch self {
        case .tablePut, .tableDelete, .submitProgram, .deleteSubmission, .killActor, .leaseMemory: true
        default: false
        }
    }
}

struct AnsweredRequests {
    enum Standing {
        case new
        /// It is being carried out: its answer will come.
        case underWay
        /// The record that answered it.
        case answered([UInt8])
    }

    /// By correlation; nil: not answered yet.
    private var answers: [UInt64: [UInt8]?] = [:]
    private var order: Deque<UInt64> = []
    /// So many requests of one peer have no answer at once, at most; an older one that comes again after all is carried out again.
    private static let limit = 256

    /// A request has come.
    mutating func begin(_ request: UInt64) -> Standing {
        if let known = answers[request] { return known.map { .answered($0) } ?? .underWay }
        answers[request] = .some(nil)
        order.append(request)
        if order.count > Self.limit { answers[order.removeFirst()] = nil }
        return .new
    }

    /// Whether the answer to this request is to be kept.
    func keeps(_ request: UInt64) -> Bool { answers[request] != nil }

    mutating func answered(_ request: UInt64, by record: [UInt8]) { if keeps(request) { answers[request] = record } }
}
