// HeadRecords: the same things in the cores' words, in messages, and in the store's rows.

import MantaCore
import MantaModel
import MantaStorage
import MantaWire

extension NodeSummary {
    init(_ node: Membership.Node) {
        self.init(
            id: node.id, endpoint: node.endpoint, host: node.host, state: node.state, total: node.total, available: node.available,
            labels: node.labels.isEmpty ? nil : node.labels)
    }
}

extension NodeRow {
    init(_ node: Membership.Node, store: StoreReport? = nil) {
        let isDead = node.state == .dead
        self.init(
            id: node.id, state: node.state, host: node.host, endpoint: node.endpoint, pid: node.pid, total: node.total.plain,
            available: isDead ? Resources() : node.available.plain, workers: isDead ? 0 : node.workers, startedAt: node.startedAt,
            labels: node.labels.isEmpty ? nil : node.labels, store: isDead ? nil : store?.usage, storeRates: isDead ? nil : store?.rates)
    }
}

extension JobBook.Job {
    init(_ job: JobDescription) {
        self.init(id: job.id, program: job.program, namespace: job.namespace, driver: job.driver, pid: job.pid, host: job.host, startedAt: job.startedAt)
    }
}

extension JobDescription {
    init(_ job: JobBook.Job) {
        self.init(id: job.id, program: job.program, namespace: job.namespace, driver: job.driver, pid: job.pid, host: job.host, startedAt: job.startedAt)
    }
}

extension ActorStatus {
    init(_ status: ActorDirectory.Status) {
        self.init(
            id: status.id, type: status.type, state: status.state, address: status.address, node: status.node, restarts: status.restarts, death: status.death,
            maxTaskRetries: status.maxTaskRetries, maxPendingCalls: status.maxPendingCalls, ordersCalls: status.ordersCalls,
            name: status.name)
    }
}

extension ActorDirectory.Running {
    init(_ actor: RunningActor) {
        self.init(specification: actor.specification, address: actor.address, pid: actor.pid, restarts: actor.restarts)
    }
}

extension TableEntry {
    init(_ row: TableBook.Row) { self.init(table: row.table, key: row.key, value: row.value, version: row.version) }
}

extension StoredJob {
    /// Nil when it cannot be encoded, which a description that came in a message always can.
    init?(_ job: JobBook.Job) {
        guard let bytes = try? encoded(JobDescription(job)) else { return nil }
        self.init(id: job.id, state: job.state, description: bytes, endedAt: job.endedAt, incarnation: job.incarnation)
    }

    func job() throws(MantaError) -> JobBook.Job {
        do throws(MantaError) {
            var job = JobBook.Job(try ValueDecoder.decode(JobDescription.self, from: description))
            job.incarnation = incarnation
            return job
        } catch {
            throw MantaError(.malformed, "the store's row of job \(id) cannot be read; was it written by another release?", cause: error)
        }
    }
}

extension StoredActor {
    /// Nil when it cannot be encoded, which a specification that came in a message always can.
    init?(_ row: ActorDirectory.Row) {
        var writer = MessagePackWriter()
        guard (try? writer.write(row.specification)) != nil else { return nil }
        self.init(id: row.specification.id, specification: writer.bytes, state: row.state, restarts: row.restarts, createdAt: row.createdAt)
    }

    func row() throws(MantaError) -> ActorDirectory.Row {
        do throws(MantaError) {
            var reader = MessagePackReader(self.specification)
            let specification = try reader.readActorSpecification()
            return ActorDirectory.Row(specification: specification, state: state, restarts: restarts, createdAt: createdAt)
        } catch {
            throw MantaError(.malformed, "the store's row of actor \(id) cannot be read; was it written by another release?", cause: error)
        }
    }
}

private func encoded(_ value: some Encodable) throws(MantaError) -> [UInt8] {
    var writer = MessagePackWriter()
    try ValueEncoder.encode(value, into: &writer)
    return writer.bytes
}
