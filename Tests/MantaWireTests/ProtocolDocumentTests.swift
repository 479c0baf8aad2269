// ProtocolDocumentTests: the documentation of the protocol says what the code does: every kind with its number, answer, form and fields, and bytes as they are.

import MantaModel
import Testing

@testable import MantaWire

@Suite struct ProtocolDocumentTests {
    private static let folder = "Sources/MantaWire/MantaWire.docc/Messages"

    private func documented() throws -> [MessageKind: DocumentedEntry] {
        var byKind: [MessageKind: DocumentedEntry] = [:]
        for entry in try ProtocolDocument.entries() {
            guard let number = entry.number, let kind = MessageKind(rawValue: number) else { continue }
            byKind[kind] = entry
        }
        return byKind
    }

    @Test func everyKindIsDocumentedOnce() throws {
        let entries = try ProtocolDocument.entries().filter { $0.number != nil }
        for kind in MessageKind.allCases where !entries.contains(where: { $0.name == "\(kind)" && $0.number == kind.rawValue }) {
            Issue.record(
                "message \(String(describing: kind)) is not documented: add a heading \"### \(kind.rawValue) \(String(describing: kind))\", the line \"from → to · one-way · keyed\" (see Messages.md) and a table of its fields to the file of its area in \(Self.folder)")
        }
        for entry in entries where !MessageKind.allCases.contains(where: { "\($0)" == entry.name && $0.rawValue == entry.number }) {
            Issue.record("\(entry.file):\(entry.line): there is no message \(entry.number ?? 0) \(entry.name); a kind that is gone is listed in Messages.md, so that its number is not given again")
        }
        for (number, same) in Dictionary(grouping: entries, by: { $0.number ?? 0 }) where same.count > 1 {
            Issue.record("message \(number) is documented \(same.count) times: \(same.map { "\($0.file):\($0.line)" })")
        }
    }

    @Test func everyKindHasItsTypeHere() {
        let known = Set(MessageSamples.types.map { $0.kind })
        for kind in MessageKind.allCases where !known.contains(kind) { Issue.record("add the type of \(String(describing: kind)) messages to MessageSamples.types") }
        #expect(known.count == MessageSamples.types.count)
        let written = Set(MessageSamples.written.map { type(of: $0.longest).kind })
        for type in MessageSamples.types where !(type is any CodedMessage.Type) && !written.contains(type.kind) {
            Issue.record("add the shortest and the longest \(type) to MessageSamples.written")
        }
    }

    @Test func answersAreAsDocumented() throws {
        let documented = try documented()
        let replies = Set(MessageSamples.types.compactMap { Self.reply(to: $0) })
        for type in MessageSamples.types {
            guard let entry = documented[type.kind] else { continue }
            let way =
                if let reply = Self.reply(to: type) { "request, answered by \(reply)" } else { replies.contains(type.kind) || type.kind == .failed ? "answer" : "one-way" }
            #expect(entry.parts.count == 3 && entry.parts[1] == way, "\(entry.file):\(entry.line): expected \"from → to · \(way) · form\", found \"\(entry.summary)\"")
        }
    }

    private static func reply(to type: any WireMessage.Type) -> MessageKind? {
        func kind<Request: WireRequest>(_ type: Request.Type) -> MessageKind { Request.Reply.kind }
        return (type as? any WireRequest.Type).map { kind($0) }
    }

    @Test func keyedFieldsAreAsDocumented() throws {
        let documented = try documented()
        for type in MessageSamples.types {
            guard let entry = documented[type.kind] else { continue }
            guard let keyed = type as? any CodedMessage.Type else {
                #expect(entry.parts.last != "keyed", "\(entry.file):\(entry.line): \(entry.name) is not keyed")
                continue
            }
            #expect(entry.parts.last == "keyed", "\(entry.file):\(entry.line): \(entry.name) is keyed")
            try compare(entry, with: keyed, types: true)
        }
    }

    @Test func structuresAreAsDocumented() throws {
        let entries = try ProtocolDocument.entries().filter { $0.number == nil }
        for type in MessageSamples.structures {
            let name = FieldProbe.word(for: "\(type)")
            guard let entry = entries.first(where: { $0.name == name }) else {
                Issue.record("structure \(name) is not documented: add a heading \"### \(name)\", a line with its form and a table of its fields to a file in \(Self.folder)")
                continue
            }
            try compare(entry, with: type, types: entry.summary.hasPrefix("Keyed"))
        }
    }

    private func compare(_ entry: DocumentedEntry, with type: any Decodable.Type, types: Bool) throws {
        let found: [ProbedField]
        do { found = try FieldProbe.fields(of: type) } catch {
            Issue.record("no \(type) can be made of zeros (\(error)): add a value of the type that fails to FieldProbe.samples")
            return
        }
        let expected = entry.fields.map { ProbedField(name: $0.name, type: types ? $0.type : $0.type.hasSuffix("?") ? "?" : "") }
        let actual = found.map { types ? $0 : ProbedField(name: $0.name, type: $0.type.hasSuffix("?") ? "?" : "") }
        // Of a map the order says nothing; of an array the places are looked at below.
        #expect(expected.sorted { $0.name < $1.name } == actual.sorted { $0.name < $1.name }, "\(entry.file):\(entry.line): the code has the fields \(found)")
    }

    @Test func fieldsWithPlacesAreAsDocumented() throws {
        let documented = try documented()
        for (shortest, longest) in MessageSamples.written {
            guard let entry = documented[type(of: longest).kind] else { continue }
            if MessageSamples.lists.contains(type(of: longest).kind) {
                #expect(entry.parts.last == "list", "\(entry.file):\(entry.line): the code writes \(entry.name) as \"list\"")
                continue
            }
            let (least, most) = (try places(in: shortest), try places(in: longest))
            let range = least.count == most.count ? "\(most.count)" : "\(least.count) to \(most.count)"
            let form = most.form == "nil" ? "nil" : "\(most.form), \(range) \(most.form == "fixed" ? "fields" : most.count == 1 ? "value" : "values")"
            #expect(entry.parts.last == form, "\(entry.file):\(entry.line): the code writes \(entry.name) as \"\(form)\"")
            guard !entry.fields.isEmpty else { continue }
            let names = Set(Mirror(reflecting: longest).children.compactMap(\.label))
            #expect(Set(entry.fields.map(\.name)) == names, "\(entry.file):\(entry.line): the code has the fields \(names.sorted())")
            var place = 1
            for field in entry.fields {
                #expect(field.place == place, "\(entry.file):\(entry.line): field \(field.name) has place \(place)")
                place += field.type == "object" ? 2 : 1
            }
            #expect(place - 1 == most.count, "\(entry.file):\(entry.line): the code writes \(most.count) fields of \(entry.name)")
        }
    }

    /// How a message is written, and how many values it has. In an array there are as many as it says, so that any reader of MessagePack finds them.
    private func places(in message: any WireMessage) throws -> (form: String, count: Int) {
        var writer = MessagePackWriter()
        try message.encode(into: &writer)
        if writer.bytes == [0xc0] { return (message is RingAnswer ? "bare" : "nil", 1) }
        var reader = MessagePackReader(writer.bytes)
        var count = 0
        while !reader.isAtEnd {
            try reader.skipValue()
            count += 1
        }
        var first = MessagePackReader(writer.bytes)
        let isBare = message is Failed || message is RingAnswer || count != 1
        guard !isBare, try first.peek() == .array else { return ("bare", count) }
        return ("fixed", try first.readArrayHeader())
    }

    // MARK: Bytes

    @Test func examplesAreWhatIsWritten() throws {
        let parts = MessageSamples.self
        let job = JobID(high: 0x0001_0203_0405_0607, low: 0x0809_0a0b_0c0d_0e0f)
        let hello = Hello(cluster: nil, role: .worker, process: parts.process, pid: 17, endpoint: "ipc:///w", host: "h")
        let register = RegisterWorker(address: parts.address, pid: 17)
        let examples: [(file: String, bytes: [UInt8])] = [
            ("Protocol.md", try record(hello, flags: 0, correlation: 1, deadline: 0) + record(register, flags: 1, correlation: 1, deadline: 30_000)),
            ("Messages.md", try record(FinishJob(job: job), flags: 1, correlation: 7, deadline: 2000)), ("Messages/Tasks.md", try body(parts.runTask)),
            ("Messages/Leases.md", try body(ConfirmLease(lease: parts.lease))),
            ("Messages/Cluster.md", try body(ProcessEnded(process: ProcessID(high: 0, low: 1), hadLeasesElsewhere: false))),
            ("Messages/Actors.md", try body(parts.report)), ("Messages/Objects.md", try body(parts.borrow)), ("Messages/PlacementGroups.md", try body(parts.commit)),
            ("Messages/Tables.md", try body(TablePut(table: "t", key: "k", value: [1, 2, 3], expectedVersion: 0))),
            ("Messages/Operators.md", try body(Explain(id: "0a1b"))),
        ]
        for (file, bytes) in examples {
            let text = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
            #expect(try ProtocolDocument.example(in: file) == text, "\(file): the example's bytes are \(text)")
        }
    }

    private func body(_ message: some WireMessage) throws -> [UInt8] {
        var writer = MessagePackWriter()
        try message.encode(into: &writer)
        return writer.bytes
    }

    private func record<Message: WireMessage>(_ message: Message, flags: UInt64, correlation: UInt64, deadline: UInt64) throws -> [UInt8] {
        var header = MessagePackWriter()
        header.writeArrayHeader(4)
        for number in [UInt64(Message.kind.rawValue), flags, correlation, deadline] { header.write(number) }
        let content = try header.bytes + body(message)
        return withUnsafeBytes(of: UInt32(content.count).bigEndian, Array.init) + content
    }
}
