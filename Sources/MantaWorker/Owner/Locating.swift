// Locating: where the values of objects lie, what keeps them and could make them again, in words too; and giving values up before their objects end.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension Owner {
    // MARK: Places

    func answer(_ request: LocateObjects, correlation: Correlation, on link: Link) {
        locate(Array(request.objects.prefix(Limits.listRows))) { link.reply(to: correlation, ObjectsLocated(places: $0)) }
    }

    /// Where own objects lie. Which copies are on disk say the nodes; one that does not answer soon is taken to have it in memory.
    func locate(_ ids: [ObjectID], _ done: @escaping ([ObjectsLocated.Place?]) -> Void) {
        var places = ids.map { id in
            objects.entries[id].map { ObjectsLocated.Place(size: $0.state == .ready ? $0.size : nil, nodes: $0.copies.map(\.node)) }
        }
        var asked: [NodeAddress: [Int]] = [:]
        for (position, id) in ids.enumerated() {
            for node in objects.entries[id]?.copies ?? [] { asked[node, default: []].append(position) }
        }
        var missing = asked.count
        guard missing > 0 else { return done(places) }
        for (node, positions) in asked {
            link(to: node).request(DescribeCopies(objects: positions.map { ids[$0] }), deadline: .seconds(1)) { result in
                for (position, isSpilled) in zip(positions, (try? result.get())?.areSpilled ?? []) where isSpilled == true {
                    places[position]?.spilled.append(node.node)
                }
                missing -= 1
                if missing == 0 { done(places) }
            }
        }
    }

    // MARK: Giving up

    /// Nobody will read the value of an own object any more. What is being made is given up when it is there.
    func freeValue(of handle: ObjectHandle) {
        guard handle.isSettled else {
            handle.onReady { [runtime = runtime!] in runtime.post(.freeValue($0)) }
            return
        }
        let source = objects.source(of: handle.id)
        guard handle.free(Self.freed(handle.id, source)) else { return }
        forgetMaker(of: handle.id)
        free(handle.id, on: objects.freed(handle.id))
        references.ended(handle.id)
        noteChanges()
    }

    static func freed(_ id: ObjectID, _ source: String?) -> MantaError {
        MantaError(.objectFreed, "object \(id)\(source.map { ", made by \($0)," } ?? "") was freed: its value was given up with Manta.free, and is not made again")
    }

    // MARK: References that nobody watches

    /// A reference was encoded outside of a remote value: what becomes of it cannot be known.
    func keepForGood(_ handle: ObjectHandle) {
        let source = isOwn(handle) ? objects.source(of: handle.id) ?? "this process" : "another process"
        if sourcesKeptForGood.count < Limits.estimatedFunctions, sourcesKeptForGood.insert(source).inserted {
            console.warning(
                "a reference of an object made by \(source) was encoded where nobody sees what becomes of it, as by a JSON encoder: such objects stay as long as this process, \(pid); pass references in arguments, results and values that are put instead",
                from: address.process, at: loop.now)
        }
        if isOwn(handle) { references.keepForGood(handle.id, handle) } else { references.hold(handle.address) }
    }

    // MARK: Explaining

    /// What this process knows of an own object, in sentences; none: it is not its, or has ended.
    func explain(_ id: ObjectID, _ done: @escaping ([String]) -> Void) {
        guard let entry = objects.entries[id] else { return done([]) }
        let row = row(id, entry)
        let attempt = row.attempt.map { ", in attempt \($0)" } ?? ""
        var lines = ["object \(id), made by \(row.source)\(attempt), is owned by process \(pid)\(row.node.map { " on node \($0.short)" } ?? "") and \(Self.words(row))"]
        if !row.reasons.isEmpty { lines.append("it is kept by: \(row.reasons.joined(separator: ", "))") }
        if entry.state == .ready { lines.append(recoveries(of: id, entry)) }
        locate([id]) { places in
            if let place = places.first ?? nil, !place.nodes.isEmpty {
                let nodes = place.nodes.map { "\($0.short)\(place.spilled.contains($0) ? " (on disk)" : "")" }
                lines.insert("its value is in the \(nodes.count == 1 ? "store of node" : "stores of nodes") \(nodes.joined(separator: ", "))", at: 1)
            }
            done(lines)
        }
    }

    private static func words(_ row: ObjectRow) -> String {
        switch row.state {
        case .pending: "is not there yet"
        case .ready: "has \(row.size) bytes\(row.location == .owner ? ", in the memory of that process" : "")"
        case .failed: "has failed: reading it says why"
        case .freed: "was freed: its value was given up with Manta.free"
        }
    }

    /// What would become of it if its copies were lost.
    private func recoveries(of id: ObjectID, _ entry: OwnedObjects.Entry) -> String {
        guard !entry.copies.isEmpty else { return "its value goes with its owner" }
        guard let maker = lineage[id.task] else {
            let reason = objects.source(of: entry) == "put" ? "it was put" : "its task is not remembered any more"
            return "if every copy is lost, it cannot be made again: \(reason)"
        }
        switch maker.recoveriesLeft {
        case 0: return "if every copy is lost, it cannot be made again: its task has no retry left"
        case ..<0: return "if every copy is lost, its task runs again, as often as it must"
        case let left: return "if every copy is lost, its task runs again, up to \(left) more \(left == 1 ? "time" : "times")"
        }
    }
}
