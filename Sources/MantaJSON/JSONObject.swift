// JSONObject: the members of a JSON object in the order they were written.
//
// No key occurs twice. Look-up is a scan while there are few members and a hash table beyond, so that large objects stay linear to build and read.

/// The members of a JSON object, in order.
package struct JSONObject: Sendable {
    package private(set) var keys: [String] = []
    package private(set) var values: [JSONValue] = []
    /// Where each key is, once a scan would be slower than a hash.
    private var places: [String: Int]?
    private static let scanLimit = 12

    package init() {}

    /// Makes an object of members whose keys all differ: a key that occurs twice is a bug of the caller.
    package init(uniqueMembers: some Sequence<(String, JSONValue)>) {
        for (key, value) in uniqueMembers {
            let isNew = append(key, value)
            precondition(isNew, "the key \"\(key)\" is written twice in one JSON object")
        }
    }

    package var count: Int { keys.count }
    package var isEmpty: Bool { keys.isEmpty }

    /// The member's value. Setting keeps the place of a known key and appends a new one; setting `nil` removes the member.
    package subscript(key: String) -> JSONValue? {
        get { place(of: key).map { values[$0] } }
        set {
            switch (place(of: key), newValue) {
            case (let place?, let value?): values[place] = value
            case (let place?, nil): remove(at: place)
            case (nil, let value?): append(key, value)
            case (nil, nil): break
            }
        }
    }

    /// Appends a member and says true, or says false if the key is known already.
    @discardableResult
    package mutating func append(_ key: String, _ value: JSONValue) -> Bool {
        guard place(of: key) == nil else { return false }
        keys.append(key)
        values.append(value)
        if places != nil {
            places?[key] = keys.count - 1
        } else if keys.count > Self.scanLimit {
            indexAll()
        }
        return true
    }

    private func place(of key: String) -> Int? {
        if let places { places[key] } else { keys.firstIndex(of: key) }
    }

    private mutating func remove(at place: Int) {
        keys.remove(at: place)
        values.remove(at: place)
        if places != nil { indexAll() }
    }

    private mutating func indexAll() {
        places = Dictionary(uniqueKeysWithValues: zip(keys, keys.indices))
    }
}

extension JSONObject: RandomAccessCollection {
    package var startIndex: Int { 0 }
    package var endIndex: Int { keys.count }
    package subscript(place: Int) -> (key: String, value: JSONValue) { (keys[place], values[place]) }
}

extension JSONObject: Hashable {
    /// Objects are equal if they have the same members, in whatever order.
    package static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.count == right.count && left.allSatisfy { right[$0.key] == $0.value }
    }

    package func hash(into hasher: inout Hasher) {
        var sum = 0
        for member in self {
            var own = Hasher()
            own.combine(member.key)
            own.combine(member.value)
            sum ^= own.finalize()
        }
        hasher.combine(sum)
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(uniqueMembers: elements) }
}
