// Requests: from the client to a replica: route, draw, admit, send; and what a client is told when that cannot be done.

import MantaCore
import MantaHTTP
import MantaModel
import MantaTransport
import MantaWire

/// The header whose value decides, by its hash, which backend a request goes to.
let shardKeyHeader: StaticString = "X-Manta-Shard-Key"

extension ProxyLane: HTTPHandler {
    func handle(_ request: borrowing HTTPRequest, token: RequestToken, server: HTTPServer) {
        let path = request.pathBytes
        if path.count >= 3, path[1] == UInt8(ascii: "-"), path[2] == UInt8(ascii: "/") { return handlePage(request, token, server) }
        let index = router.tables.match(path)
        guard index >= 0 else { return refuseUnknownRoute(token, server) }
        let methods = router.tables.endpoints[index].methods
        guard methods.contains(MethodSet(request.method)) else { return refuseMethod(token, methods, server) }
        let draw = request.headerBytes(shardKeyHeader).map { ShardHash.draw($0) } ?? draws.next()
        let backend = router.tables.endpoints[index].backend(for: draw)
        server.setDeadline(token, after: router.timeout(of: backend))
        if router.tables.endpoints[index].shadowCount > 0 { sendCopies(request, index) }
        let exchange = exchanges.begin(token, backend: backend, endpoint: index)
        admit(exchange, request, server)
    }

    /// Sends a request, lets it wait, or refuses it.
    func admit(_ exchange: Int, _ request: borrowing HTTPRequest, _ server: HTTPServer) {
        let backend = Int(exchanges[exchange].backend)
        while true {
            switch router.admit(exchanges.number(exchange), to: backend, deadline: Instant(nanoseconds: .max), using: &draws) {
            case .send(let slot):
                if send(exchange, to: slot, request) { return }
                // The replica's process is not there any more; the router knows now.
            case .wait:
                exchanges[exchange].state = .waiting
                return
            case .refuse(let refusal):
                let token = exchanges.token(exchange)
                exchanges.end(exchange)
                refuse(token, refusal, backend, server)
                return
            }
        }
    }

    /// Sends a request to a replica; false when the replica cannot be reached, which the router is told.
    func send(_ exchange: Int, to slot: Int, _ request: borrowing HTTPRequest) -> Bool {
        guard let replica = replicaLinks[slot], replica.link.isOpen || !replica.hasOpened, !replica.link.isClosed else {
            router.finished(slot)
            router.lost(slot)
            return false
        }
        let task = TaskID(high: taskPrefix, low: exchanges.number(exchange))
        let endpoint = router.tables.endpoints[Int(exchanges[exchange].endpoint)].name
        let error = withUnsafePointer(to: request) { request in
            replica.link.send(
                CallReplica(
                    task: task, actor: replica.actor, sequence: replica.nextSequence, method: replica.method,
                    source: BorrowedRequest(request: request, endpoint: endpoint)))
        }
        if error != nil {
            router.finished(slot)
            router.lost(slot)
            return false
        }
        replica.nextSequence &+= 1
        exchanges[exchange].replica = Int32(slot)
        if exchanges[exchange].state == .waiting { exchanges[exchange].state = .sent }
        return true
    }

    private func sendCopies(_ request: borrowing HTTPRequest, _ endpoint: Int) {
        for index in 0..<router.tables.endpoints[endpoint].shadowCount {
            let draw = draws.next()
            guard let backend = router.tables.endpoints[endpoint].shadow(index, for: draw), let slot = router.admitShadow(to: backend, using: &draws) else { continue }
            let exchange = exchanges.beginCopy(backend: backend, endpoint: endpoint)
            if !send(exchange, to: slot, request) { exchanges.end(exchange) }
        }
    }

    func requestEnded(_ token: RequestToken, reason: RequestEnd, server: HTTPServer) {
        guard let exchange = exchanges.of(token) else { return }
        switch exchanges[exchange].state {
        case .waiting:
            router.cancelled(exchanges.number(exchange), of: Int(exchanges[exchange].backend))
            exchanges.end(exchange)
        case .sent:
            exchanges[exchange].state = .abandoned
            replicaLinks[Int(exchanges[exchange].replica)]?.link.send(CancelTask(task: TaskID(high: taskPrefix, low: exchanges.number(exchange))))
        case .free, .abandoned: break
        }
    }

    // MARK: Refusals

    private func refuseUnknownRoute(_ token: RequestToken, _ server: HTTPServer) {
        guard tables.isKnown else {
            server.respond(token, .unavailable("the proxy has not heard from the head yet and does not know the routes; try again"))
            return
        }
        server.respond(token, .failure(404, code: "notFound", message: "no endpoint has a route for this path; GET /-/routes lists the routes"))
    }

    private func refuseMethod(_ token: RequestToken, _ methods: MethodSet, _ server: HTTPServer) {
        let allowed = methods.names
        server.respond(
            token, .failure(405, code: "methodNotAllowed", message: "the endpoint answers \(allowed)", headers: [HTTPHeader("Allow", allowed)]))
    }

    func refuse(_ token: RequestToken, _ refusal: Router.Refusal, _ backend: Int, _ server: HTTPServer) {
        let name = router.backendName(backend)
        switch refusal {
        case .queueFull:
            server.respond(token, .unavailable("backend \"\(name)\" has as many requests as it takes; try again"))
        case .failed:
            server.respond(token, .unavailable("backend \"\(name)\" has no replica, and its replicas do not start; its status tells why"))
        case .noReplicas:
            server.respond(token, .unavailable("backend \"\(name)\" has no replicas"))
        }
    }
}

extension HTTPResponse {
    /// 503: this request was not carried out and may be tried again.
    static func unavailable(_ message: String) -> HTTPResponse {
        .failure(503, code: "unavailable", message: message, headers: [HTTPHeader("Retry-After", "1")])
    }
}

extension MethodSet {
    @inline(__always) init(_ method: HTTPMethod) {
        switch method {
        case .get: self.init(RequestMethod.get)
        case .head: self.init(RequestMethod.head)
        case .post: self.init(RequestMethod.post)
        case .put: self.init(RequestMethod.put)
        case .patch: self.init(RequestMethod.patch)
        case .delete: self.init(RequestMethod.delete)
        case .options: self.init(RequestMethod.options)
        }
    }
}

/// A client's request on its way into a message.
/// `@unchecked Sendable`: it lives only for the call of `send` that writes it, on the loop.
struct BorrowedRequest: HTTPCallSource, @unchecked Sendable {
    let request: UnsafePointer<HTTPRequest>
    let endpoint: String

    func write(into writer: inout MessagePackWriter) {
        writer.writeHTTPCall(
            requestID: request.pointee.requestIDBytes, endpoint: endpoint, method: request.pointee.method.rawValue, path: request.pointee.pathBytes,
            query: request.pointee.queryBytes, body: request.pointee.body
        ) { writer in
            var count = 0
            request.pointee.forEachHeader { name, value in
                writer.writeHTTPHeader(name: name, value: value)
                count += 1
            }
            return count
        }
    }
}
