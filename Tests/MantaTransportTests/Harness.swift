// Harness: two ends of a link in one process, each on its own loop, with what they heard written down.

import Glibc
import MantaLoop
import MantaModel
import MantaTestKit
import MantaTransport
import MantaWire

/// A one-way message with a number and some bytes.
struct Note: WireMessage, Hashable {
    static var kind: MessageKind { .runTask }
    var number: UInt64
    var bytes: [UInt8] = []

    init(_ number: UInt64, bytes: [UInt8] = []) { (self.number, self.bytes) = (number, bytes) }
    func encode(into writer: inout MessagePackWriter) throws(MantaError) {
        writer.write(number)
        writer.writeBinary(bytes)
    }
    init(from reader: inout MessagePackReader) throws(MantaError) {
        number = try reader.readUInt64()
        bytes = try reader.readBinary()
    }
}

/// A request for the number's double.
protocol NumberRequest: WireRequest, Hashable where Reply == Note {
    var number: UInt64 { get }
    init(_ number: UInt64)
}

extension NumberRequest {
    func encode(into writer: inout MessagePackWriter) throws(MantaError) { writer.write(number) }
    init(from reader: inout MessagePackReader) throws(MantaError) { self.init(try reader.readUInt64()) }
}

struct Question: NumberRequest {
    static var kind: MessageKind { .getObject }
    var number: UInt64
    init(_ number: UInt64) { self.number = number }
}

/// Of a kind that is carried out once.
struct Order: NumberRequest {
    static var kind: MessageKind { .killActor }
    var number: UInt64
    init(_ number: UInt64) { self.number = number }
}

/// How the two ends reach each other. The same tests hold for each.
enum Way: CaseIterable, Sendable {
    case tcp, socket, ring

    func settings(_ settings: Transport.Settings) -> Transport.Settings {
        var settings = settings
        switch self {
        case .tcp: break
        case .socket: settings.ringBytes = 0
        // At once, and with room for little, so that everything waits for it now and then.
        case .ring: (settings.batchesBeforeRing, settings.ringBytes) = (1, 1 << 14)
        }
        return settings
    }
}

/// A process of the tests: a loop, a transport, and a log of events in words.
final class Process: TransportDelegate, @unchecked Sendable {  // everything but the logs is used on the loop
    let running: RunningLoop
    let way: Way
    private let directory = TemporaryDirectory()
    var transport: Transport!
    let events = Log<String>()
    let notes = Log<UInt64>()
    let errors = Log<MantaError>()
    let links = Log<Link>()
    /// Answers questions at once; else they are kept here.
    var answersAtOnce = true
    let questions = Log<(Correlation, UInt64, Link)>()
    /// What this process says to those that ask whether others tell of a peer's end, and how often it was asked.
    var waitsForWord = false
    let askedForWord = Log<Link>()
    /// Called when a link opens or opens again.
    var onOpen: ((Link) -> Void)?

    init(
        _ role: ProcessRole = .worker, process: ProcessID = .random(), cluster: ClusterID? = nil, version: UInt32 = protocolVersion,
        settings: Transport.Settings = .init(), way: Way = .tcp, linksAtFirst: Int = Limits.linksAtFirst
    ) async {
        self.way = way
        running = RunningLoop("\(role)")
        let hello = Hello(version: version, cluster: cluster, role: role, process: process, pid: getpid(), endpoint: "", host: "test")
        await running.loop.perform { [self] in
            transport = Transport(
                loop: running.loop, identity: hello, delegate: self, settings: way.settings(settings), context: ZeroMQContext(links: linksAtFirst))
        }
    }

    var loop: EventLoop { running.loop }

    func listen(on given: String? = nil) async throws -> String {
        let endpoint = given ?? (way == .tcp ? "tcp://127.0.0.1:0" : "ipc://\(directory.file("a.sock"))")
        return try await loop.perform { () throws(MantaError) in try self.transport.listen(on: endpoint) }
    }
    func connect(to endpoint: String, expecting role: ProcessRole? = nil, grace: Duration?? = nil) async -> Link {
        await loop.perform { self.transport.connect(to: endpoint, expecting: role, grace: grace) }
    }
    /// A link to the process, made; by the ring, when that is the way.
    func connected(to server: Process, grace: Duration?? = nil) async throws -> Link {
        let link = await connect(to: try await server.listen(), grace: grace)
        guard way == .ring else { return link }
        var sent = 0
        try await eventually("the move to shared memory") {
            sent += 1
            return await self.loop.perform {
                link.send(Note(.max))
                return link.isShared
            }
        }
        try await eventually("the other side's move") {
            let isShared = await server.loop.perform { server.links.last?.isShared == true }
            return isShared && server.notes.count == sent
        }
        server.notes.clear()
        return link
    }
    /// Goes away; `abruptly` without a goodbye.
    func end(abruptly: Bool = false) async {
        await loop.perform { self.transport.close(saysGoodbye: !abruptly) }
    }

    func linkOpened(_ link: Link, hello: Hello) {
        links.append(link)
        events.append("opened \(hello.role)")
        onOpen?(link)
    }
    func linkReopened(_ link: Link, hello: Hello, restarted: Bool) {
        events.append(restarted ? "reopened, restarted" : "reopened")
        onOpen?(link)
    }
    func linkClosed(_ link: Link, error: MantaError) {
        errors.append(error)
        events.append("closed \(error.code)")
    }
    func waitsForWord(of link: Link) -> Bool {
        askedForWord.append(link)
        return waitsForWord
    }
    func linkRefused(_ hello: Hello, error: MantaError) {
        errors.append(error)
        events.append("refused")
    }
    func received(malformed error: MantaError, on link: Link) {
        errors.append(error)
        events.append("malformed")
    }
    func received(_ message: inout InboundMessage, on link: Link) {
        do throws(MantaError) {
            switch message.kind {
            case .runTask: notes.append(try message.decode(Note.self).number)
            case .getObject, .killActor:
                let number = message.kind == .getObject ? try message.decode(Question.self).number : try message.decode(Order.self).number
                if answersAtOnce { link.reply(to: message.correlation!, Note(2 * number)) } else { questions.append((message.correlation!, number, link)) }
            default: events.append("unexpected \(message.kind)")
            }
        } catch { errors.append(error) }
    }
}
