// Head+Links: links that come and go, and which message goes where.

import Logging
import MantaCore
import MantaLoop
package import MantaModel
package import MantaTransport
package import MantaWire

extension Head: TransportDelegate {
    package func linkOpened(_ link: Link, hello: Hello) {
        let peer = Peer(watcher: nextWatcher(), link: link, hello: hello)
        link.attachment = peer
        peers[peer.watcher] = peer
        absent.settled(hello.process)
        if hello.role == .driver {
            // It was away, or the head was.
            for job in jobs.jobs(ofDriver: hello.process) {
                peer.jobs.insert(job)
                jobs.driverConnected(job)
            }
        }
        sendView(to: peer)
    }

    package func linkReopened(_ link: Link, hello: Hello, restarted: Bool) {
        guard let peer = link.notes else { return linkOpened(link, hello: hello) }
        peer.hello = hello
        for job in peer.jobs { jobs.driverConnected(job) }
        // What was on its way when the link broke may be lost.
        sendView(to: peer)
        let watched = directory.watched(by: peer.watcher)
        if !watched.isEmpty { link.send(ActorsChanged(watched.map { ActorStatus($0) })) }
    }

    package func linkClosed(_ link: Link, error: MantaError) {
        guard let peer = link.notes else { return }
        peers[peer.watcher] = nil
        // Of this machine's processes the kernel tells.
        if [.driver, .worker].contains(peer.hello.role), let machine = Endpoint(peer.hello.endpoint).machine, machine != Machine.identity {
            absent.left(peer.hello.process, machine: machine)
        }
        directory.unwatch(peer.watcher)
        tables.unwatch(peer.watcher)
        if let node = peer.node, nodeLinks[node] === link {
            nodeLinks[node] = nil
            membershipEvent { $0.disconnected(node, at: loop.now, $1) }
        }
        for job in peer.jobs where jobWatches[job] == nil { jobs.driverDisconnected(job, at: loop.now) }
    }

    package func linkRefused(_ hello: Hello, error: MantaError) {
        log.warning("a process was turned away", metadata: ["role": "\(hello.role)", "pid": "\(hello.pid)", "host": "\(hello.host)", "error": "\(error)"])
    }

    package func received(malformed error: MantaError, on link: Link) {
        log.warning("a message could not be read", metadata: ["peer": "\(link.peerDescription)", "error": "\(error)"])
    }

    package func received(_ message: inout InboundMessage, on link: Link) {
        do throws(MantaError) {
            try dispatch(&message, on: link)
        } catch {
            log.debug("a message could not be handled", metadata: ["kind": "\(message.kind)", "peer": "\(link.peerDescription)", "error": "\(error)"])
            if let correlation = message.correlation { link.fail(correlation, error) }
        }
    }

    private func dispatch(_ message: inout InboundMessage, on link: Link) throws(MantaError) {
        switch message.kind {
        case .registerJob, .createActor, .createActors, .createGroup, .submitProgram, .tablePut, .tableDelete: if let refusal = journal?.refusal { throw refusal }
        default: break
        }
        switch message.kind {
        // Cluster
        case .registerNode: try registerNode(message.decode(), try message.required(), on: link)
        case .processEnded: processEnded(try message.decode(), try message.required(), on: link)
        case .heartbeat: heartbeat(try message.decode(), on: link)
        case .registerJob: try registerJob(message.decode(), try message.required(), on: link)
        case .finishJob: finishJob(try message.decode(), try message.required(), on: link)
        case .driverDied: endJob(try message.decode(DriverDied.self).job, as: .failed)
        // Actors
        case .createActor: try createActor(message.decode(), try message.required(), on: link)
        case .createActors: createActors(try message.decode(), try message.required(), on: link)
        case .getActor: getActor(try message.decode(), try message.required(), on: link)
        case .watchActor: watchActor(try message.decode(), try message.required(), on: link)
        case .killActor: killActor(try message.decode(), try message.required(), on: link)
        case .dropActors: dropActors(try message.decode(), try message.required(), on: link)
        case .actorReports: actorReports(try message.decode(), try message.required(), on: link)
        // Placement groups
        case .createGroup: try createGroup(message.decode(), try message.required(), on: link)
        case .awaitGroup: askGroups(.ready(try message.decode(AwaitGroup.self).group), try message.required(), on: link)
        case .findGroup:
            let name = try message.decode(FindGroup.self)
            askGroups(.named(name.name, namespace: name.namespace), try message.required(), on: link)
        case .inquireGroups: sayWhichAreGone(of: try message.decode(InquireGroups.self).groups, on: link)
        case .removeGroup: askGroups(.remove(try message.decode(RemoveGroup.self).group), try message.required(), on: link)
        // Submitted programs
        case .submitProgram: try submit(message.decode(), try message.required(), on: link)
        case .stopSubmission: try stopSubmission(message.decode(), try message.required(), on: link)
        case .deleteSubmission: try deleteSubmission(message.decode(), try message.required(), on: link)
        case .readSubmissionLog: try readLog(message.decode(), try message.required(), on: link)
        case .entrypointReport: entrypointReport(try message.decode(), try message.required(), on: link)
        // Tables
        case .tablePut: try putRow(message.decode(), try message.required(), on: link)
        case .tableDelete: deleteRow(try message.decode(), try message.required(), on: link)
        case .tableGet: getRow(try message.decode(), try message.required(), on: link)
        case .watchTable: try watchTable(message.decode(), try message.required(), on: link)
        // What operators see
        case .reportTasks: reportTasks(try message.decode(), on: link)
        case .reportErrors: reportErrors(try message.decode())
        case .workerOutput: passOn(try message.decode())
        case .explain: try explain(message.decode(), try message.required(), on: link)
        case .queryState: queryState(try message.decode(), try message.required(), on: link)
        case .querySpans: querySpans(try message.required(), on: link)
        default: throw MantaError(.malformed, "a head does not take \(message.kind) messages")
        }
    }
}
