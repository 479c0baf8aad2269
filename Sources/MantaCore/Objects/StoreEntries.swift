// StoreEntries: the objects of a store by their identifiers, and what they take in memory and on disk: the sums follow every change.

package import MantaModel

package struct StoreEntries {
    package struct Sum: Hashable, Sendable {
        package var objects = 0
        package var bytes = 0
    }

    private var entries: [ObjectID: StoreBook.Entry] = [:]
    /// In memory, or on its way into or out of it.
    package private(set) var inMemory = Sum()
    /// On disk only.
    package private(set) var onDisk = Sum()

    package init() {}

    package subscript(id: ObjectID) -> StoreBook.Entry? {
        _read { yield entries[id] }
        _modify {
            count(entries[id], -1)
            defer { count(entries[id], 1) }
            yield &entries[id]
        }
    }

    mutating func removeValue(forKey id: ObjectID) -> StoreBook.Entry? {
        let entry = entries.removeValue(forKey: id)
        count(entry, -1)
        return entry
    }

    private mutating func count(_ entry: StoreBook.Entry?, _ change: Int) {
        guard let entry else { return }
        if case .spilled = entry.place {
            onDisk.objects += change
            onDisk.bytes += change * entry.size
        } else {
            inMemory.objects += change
            inMemory.bytes += change * entry.size
        }
    }

    package var keys: some Collection<ObjectID> { entries.keys }
    package var values: some Collection<StoreBook.Entry> { entries.values }
    package var count: Int { entries.count }
    package var isEmpty: Bool { entries.isEmpty }
}

extension StoreEntries: Sequence {
    package func makeIterator() -> some IteratorProtocol<(key: ObjectID, value: StoreBook.Entry)> { entries.makeIterator() }
}
