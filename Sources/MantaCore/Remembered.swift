// Remembered: the latest so many keys with a value each, oldest forgotten first. For answering late messages about what has ended.

internal import DequeModule

/// A bounded memory of ended things.
package struct Remembered<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private var values: [Key: Value] = [:]
    private var order: Deque<Key> = []
    private let limit: Int

    package init(limit: Int) { self.limit = limit }

    package subscript(_ key: Key) -> Value? { values[key] }

    package mutating func remember(_ key: Key, _ value: Value) {
        if values.updateValue(value, forKey: key) == nil { order.append(key) }
        if order.count > limit { values[order.removeFirst()] = nil }
    }
}
