// ObjectReasons: why an object is kept, where it is, and how full a store is, in words, the same for the command line, explanations and tables.

extension ObjectRow {
    /// Each reason of its own, the nearest first; empty when nothing keeps it any more.
    package var reasons: [String] {
        func last(_ name: some CustomStringConvertible) -> String { "…\(name.description.suffix(12))" }
        var reasons: [String] = []
        if local { reasons.append("local reference") }
        switch (pins, pinnedBy) {
        case (0, _): break
        case (1, let task?): reasons.append("pinned by task \(last(task))")
        case (let pins, let task): reasons.append("pinned \(pins) times\(task.map { ", by task \(last($0))" } ?? "")")
        }
        if borrowers > 0 {
            let known = (borrowedBy ?? []).map(\.short).joined(separator: ", ")
            let more = borrowers > (borrowedBy ?? []).count ? ", …" : ""
            reasons.append("borrowed by \(borrowers == 1 ? "1 process" : "\(borrowers) processes")\(known.isEmpty ? "" : " (\(known)\(more))")")
        }
        switch (containers, containedIn) {
        case (0, _): break
        case (1, let object?): reasons.append("captured in object \(last(object))")
        case (let containers, let object): reasons.append("captured in \(containers) objects\(object.map { ", one is \(last($0))" } ?? "")")
        }
        if forGood { reasons.append("encoded elsewhere, for good") }
        return reasons
    }

    /// Where its value is, in words: `owner`, or the nodes whose stores have it.
    package var place: String? {
        guard let copies, !copies.isEmpty else { return location?.rawValue }
        let named = copies.map { "\($0.node.short)\($0.spilled == true ? " (disk)" : "")" }.joined(separator: ", ")
        return (copyCount ?? 0) > copies.count ? "\(named) and \((copyCount ?? 0) - copies.count) more" : named
    }
}

extension StoreUsage {
    /// `1.5 GiB of 2 GiB, 3 GiB on disk`.
    package var plain: String {
        let disk = spilledBytes > 0 ? ", \(DeathCause.byteText(Int64(spilledBytes))) on disk" : ""
        return "\(DeathCause.byteText(Int64(used))) of \(DeathCause.byteText(Int64(capacity)))\(disk)"
    }
}

extension StoreRates {
    /// What moves, by the second; `still` when nothing does.
    package var plain: String {
        var parts: [String] = []
        func add(_ what: String, _ bytes: Double) { if bytes > 0 { parts.append("\(what) \(DeathCause.byteText(Int64(bytes)))/s") } }
        add("spills", spillBytes)
        add("restores", restoreBytes)
        add("fetches", fetchBytes)
        if evictions > 0 { parts.append("evicts \(evictions)/s") }
        return parts.isEmpty ? "still" : parts.joined(separator: ", ")
    }
}
