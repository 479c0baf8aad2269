// Replicas: answers on their way to the clients; replicas that come, go and are lost.

import Logging
import MantaCore
import MantaHTTP
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension ProxyLane: TransportDelegate {
    /// How long a replica on this machine may be away before what it had counts as lost: its socket is gone only when its process is.
    private static let localGrace: Duration = .milliseconds(100)
    /// After a replica's row is gone: how long its last answers may still be under way.
    private static let farewell: Duration = .milliseconds(250)

    // MARK: Answers

    func received(_ message: inout InboundMessage, on link: Link) {
        switch message.kind {
        case .taskDone: receivedDone(&message)
        case .tableChanged where link === head: receivedChange(&message)
        default:
            if let correlation = message.correlation {
                link.fail(correlation, MantaError(.malformed, "a proxy does not answer \(message.kind) messages"))
            }
        }
    }

    private func receivedDone(_ message: inout InboundMessage) {
        let done: ReplicaDone
        do { done = try message.decode(ReplicaDone.self) } catch {
            logger.error("an answer of a replica cannot be read", metadata: ["error": "\(error)"])
            return
        }
        guard done.task.high == taskPrefix, let exchange = exchanges.find(done.task.low) else { return }
        let (state, token, slot) = (exchanges[exchange].state, exchanges[exchange].token, Int(exchanges[exchange].replica))
        let backend = Int(exchanges[exchange].backend)
        exchanges.end(exchange)
        if state == .sent, let token { answer(token, done, slot) }
        router.finished(slot)
        sendWaiting(backend)
    }

    private func answer(_ token: RequestToken, _ done: ReplicaDone, _ slot: Int) {
        switch done.outcome {
        case .answer(let answer):
            var contentType = "application/octet-stream"
            var headers: [HTTPHeader] = []
            answer.forEachHeader { name, value in
                if name.utf8.count == 12, name.lowercased() == "content-type" { contentType = value } else { headers.append(HTTPHeader(name, value)) }
            }
            if answer.bodyRange.count <= 1 << 16 {
                answer.withBody { body in _ = server.respond(token, status: answer.status, contentType: contentType, headers: headers, copying: body) }
            } else {
                server.respond(token, HTTPResponse(status: answer.status, contentType: contentType, headers: headers, body: .bytes(answer.body)))
            }
        case .thrown(let error):
            report(token, slot, code: MantaError.Code.taskFailed.rawValue, message: thrownText(error))
            server.respond(token, .failure(500, code: "backendFailed", message: "the backend failed"))
        case .failed(let error):
            report(token, slot, code: error.code.rawValue, message: error.message)
            server.respond(token, Self.response(for: error))
        }
    }

    private static func response(for error: MantaError) -> HTTPResponse {
        switch error.code {
        case .timeout: .failure(504, code: "timeout", message: "the backend did not answer in time")
        case .overloaded, .cancelled: .unavailable("the replica did not take the request; try again")
        case .actorDied, .actorUnavailable, .unavailable, .notFound, .workerCrashed: .replicaDied
        default: .failure(500, code: "backendFailed", message: "the backend failed")
        }
    }

    /// The type and the text of a thrown error, as the worker encoded it.
    private func thrownText(_ bytes: [UInt8]) -> String {
        var reader = MessagePackReader(bytes)
        guard (try? reader.readArrayHeader()) != nil, let type = try? reader.readString(), let text = try? reader.readString() else { return "an error that cannot be read" }
        return "the backend threw \(type): \(text)"
    }

    private func report(_ token: RequestToken, _ slot: Int, code: String, message: String) {
        let replica = router.replica(slot)
        let requestID = server.withRequest(token) { $0.requestID } ?? ""
        let place = replica.map { "replica \($0.tag): " } ?? ""
        errors.report(code: code, message: place + message, actor: replica?.actor, node: replica?.node, requestID: requestID)
    }

    /// Gives free places to requests that wait.
    func sendWaiting(_ backend: Int) {
        while let (number, slot) = router.nextWaiting(backend, using: &draws) {
            let exchange = Int(number & 0xffff_ffff)
            guard exchanges[exchange].state == .waiting, exchanges.number(exchange) == number else {
                router.finished(slot)
                continue
            }
            let found: Void? = server.withRequest(exchanges.token(exchange)) { request in
                if !send(exchange, to: slot, request) { admit(exchange, request, server) }
            }
            if found == nil {
                router.finished(slot)
                exchanges.end(exchange)
            }
        }
        while let (number, refusal) = router.nextRefused(backend) {
            let exchange = Int(number & 0xffff_ffff)
            guard exchanges[exchange].state == .waiting, exchanges.number(exchange) == number else { continue }
            let token = exchanges.token(exchange)
            exchanges.end(exchange)
            refuse(token, refusal, backend, server)
        }
    }

    // MARK: Replicas come and go

    /// The router's slots and the links must say the same: called after each change of the tables.
    func connectReplicas() {
        for description in tables.replicas.rows.values {
            guard description.state == .ready || description.state == .draining, let actor = description.actor, let address = description.address,
                let slot = router.slot(ofReplica: description.tag)
            else { continue }
            while replicaLinks.count <= slot { replicaLinks.append(nil) }
            if let present = replicaLinks[slot], present.tag == description.tag, !present.link.isClosed { continue }
            let replica = ReplicaLink(description, actor: actor, slot: slot, link: transport.connect(to: address, expecting: .worker))
            if replica.link.isOpen { opened(replica) }
            // An actor takes calls in the order of their numbers, whatever link they come by.
            if let former = replicaLinks[slot], former.tag == description.tag { replica.nextSequence = former.nextSequence }
            replica.link.attachment = replica
            replicaLinks[slot] = replica
        }
        for replica in replicaLinks.compactMap({ $0 }) where tables.replicas.rows[replica.tag] == nil && !replica.isLeaving {
            replica.isLeaving = true
            loop.schedule(after: Self.farewell) { [weak self] in self?.leave(replica) }
        }
    }

    /// A replica whose row is gone has ended.
    private func leave(_ replica: ReplicaLink) {
        guard replicaLinks[replica.slot] === replica else { return }
        replicaLinks[replica.slot] = nil
        lost(replica)
        replica.link.close()
    }

    /// What was sent to a replica will not be answered any more.
    private func lost(_ replica: ReplicaLink) {
        router.lost(replica.slot)
        var backends: Set<Int> = []
        for exchange in exchanges.atReplica(replica.slot) {
            router.finished(replica.slot)
            let (state, token, backend) = (exchanges[exchange].state, exchanges[exchange].token, Int(exchanges[exchange].backend))
            backends.insert(backend)
            guard state == .sent, let token else {
                exchanges.end(exchange)
                continue
            }
            if !replica.hasOpened {
                // Nothing has left for it: another one may have it.
                exchanges[exchange].state = .waiting
                exchanges[exchange].replica = -1
                let found: Void? = server.withRequest(token) { admit(exchange, $0, server) }
                if found == nil { exchanges.end(exchange) }
                continue
            }
            exchanges.end(exchange)
            report(token, replica.slot, code: MantaError.Code.actorDied.rawValue, message: "the replica died while it had the request")
            server.respond(token, .replicaDied)
        }
        for backend in backends { sendWaiting(backend) }
    }

    func linkOpened(_ link: Link, hello: Hello) {
        if link === head { return headOpened() }
        if let replica = link.attachment as? ReplicaLink { opened(replica) }
    }

    private func opened(_ replica: ReplicaLink) {
        replica.hasOpened = true
        if replica.link.endpoint.hasPrefix("ipc://") { replica.link.reconnectGrace = Self.localGrace }
    }

    func linkReopened(_ link: Link, hello: Hello, restarted: Bool) {
        if link === head { return headOpened() }
        guard let replica = link.attachment as? ReplicaLink else { return }
        router.found(replica.slot)
        sendWaiting(router.backend(ofReplica: replica.slot))
    }

    func linkClosed(_ link: Link, error: MantaError) {
        guard let replica = link.attachment as? ReplicaLink else {
            if link === head { logger.error("the head refuses this proxy", metadata: ["error": "\(error)"]) }
            return
        }
        guard replicaLinks[replica.slot] === replica else { return }
        lost(replica)
        retry(replica)
    }

    /// A replica that could not be reached is tried again for as long as its row says that it is there.
    private func retry(_ replica: ReplicaLink) {
        loop.schedule(after: .seconds(1)) { [weak self] in
            guard let self, replicaLinks[replica.slot] === replica, tables.replicas.rows[replica.tag] != nil else { return }
            connectReplicas()
            router.found(replica.slot)
            sendWaiting(router.backend(ofReplica: replica.slot))
        }
    }

    func received(malformed error: MantaError, on link: Link) {
        logger.error("a message was dropped", metadata: ["error": "\(error)"])
    }
}

extension HTTPResponse {
    static let replicaDied = HTTPResponse.failure(
        502, code: "replicaDied", message: "the replica died while it had the request, which may have been carried out; try again if that does no harm")
}
