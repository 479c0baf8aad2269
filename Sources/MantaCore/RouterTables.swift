// RouterTables: the endpoints, compiled for the way of a request: path → endpoint, endpoint and draw → backend. Never changed, only replaced.
//
// A path is matched by the longest route that is a prefix of it at a segment's end: `/a` answers `/a` and `/a/b`, not `/ab`. One step along the path
// hashes all its prefixes, so the cost grows with the path and not with the number of routes. Nothing here allocates.

package import MantaModel

/// A set of request methods.
package struct MethodSet: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package init(_ method: RequestMethod) {
        switch method {
        case .get: self.init(rawValue: 1)
        case .head: self.init(rawValue: 2)
        case .post: self.init(rawValue: 4)
        case .put: self.init(rawValue: 8)
        case .patch: self.init(rawValue: 16)
        case .delete: self.init(rawValue: 32)
        case .options: self.init(rawValue: 64)
        }
    }
    /// What answers GET answers HEAD.
    package init(_ methods: [RequestMethod]) {
        self = methods.reduce(into: []) { $0.formUnion(MethodSet($1)) }
        if contains(MethodSet(.get)) { formUnion(MethodSet(.head)) }
    }

    /// As the Allow header names them.
    package var names: String { RequestMethod.allCases.filter { contains(MethodSet($0)) }.map(\.rawValue).joined(separator: ", ") }
}

/// One endpoint, compiled.
package struct CompiledEndpoint: Sendable {
    package var name: String
    package var route: [UInt8]
    package var methods: MethodSet
    /// Backends by their slots, each with the draws below which it is taken.
    fileprivate var shares: ContiguousArray<Share>
    fileprivate var shadows: ContiguousArray<Share>

    fileprivate struct Share: Sendable {
        var below: UInt64
        var backend: Int32
    }

    /// The backend for a draw that is even over all of `UInt64`.
    @inline(__always) package func backend(for draw: UInt64) -> Int {
        for share in shares where draw <= share.below { return Int(share.backend) }
        return Int(shares[shares.count - 1].backend)
    }

    package var shadowCount: Int { shadows.count }

    /// The backend that gets a copy, if this draw, which is its own, says that it gets one.
    package func shadow(_ index: Int, for draw: UInt64) -> Int? {
        draw <= shadows[index].below ? Int(shadows[index].backend) : nil
    }

    init(_ description: EndpointDescription, slot: (String) -> Int) {
        (name, route, methods) = (description.name, Array((description.route ?? "").utf8), MethodSet(description.methods))
        shares = []
        shadows = []
        // In the order of their names, so that every proxy takes the same backend for the same shard key.
        var sum = 0.0
        for (backend, weight) in description.traffic.sorted(by: { $0.key < $1.key }) where weight > 0 {
            sum += weight
            shares.append(Share(below: Self.threshold(sum), backend: Int32(slot(backend))))
        }
        shares[shares.count - 1].below = .max
        for (backend, share) in description.shadows.sorted(by: { $0.key < $1.key }) {
            shadows.append(Share(below: Self.threshold(share), backend: Int32(slot(backend))))
        }
    }

    private static func threshold(_ share: Double) -> UInt64 {
        share >= 1 ? .max : UInt64(max(0, share) * 0x1p64)
    }
}

/// All endpoints, compiled.
package struct RouterTables: Sendable {
    package private(set) var endpoints: ContiguousArray<CompiledEndpoint> = []
    private var routes: [UInt64: Int32] = [:]
    private var names: [String: Int] = [:]
    private var root: Int32 = -1

    init() {}

    init(_ descriptions: [EndpointDescription], slot: (String) -> Int) {
        for description in descriptions.sorted(by: { $0.name < $1.name }) {
            let index = endpoints.count
            endpoints.append(CompiledEndpoint(description, slot: slot))
            names[description.name] = index
            guard let route = description.route else { continue }
            if route == "/" { root = Int32(index) } else { routes[ShardHash.of(route)] = Int32(index) }
        }
    }

    package func endpoint(named name: String) -> Int? { names[name] }

    /// The endpoint that answers a decoded path; -1 when none does.
    package func match(_ path: UnsafeRawBufferPointer) -> Int {
        var found = root
        if !routes.isEmpty {
            var hash = ShardHash.basis
            var place = 0
            while place < path.count {
                // A prefix may end before a slash and at the end.
                if place > 0, path[place] == 0x2f { look(hash, path, place, &found) }
                hash = ShardHash.step(hash, path[place])
                place += 1
            }
            if path.count > 1 { look(hash, path, path.count, &found) }
        }
        return Int(found)
    }

    @inline(__always) private func look(_ hash: UInt64, _ path: UnsafeRawBufferPointer, _ count: Int, _ found: inout Int32) {
        guard let index = routes[hash] else { return }
        let isSame = endpoints[Int(index)].route.withUnsafeBytes { route in
            guard route.count == count else { return false }
            for place in 0..<count where route[place] != path[place] { return false }
            return true
        }
        if isSame { found = index }
    }
}

/// The hash that stands for a shard key: the same in every process and every build (FNV-1a, then mixed so that every bit counts).
package enum ShardHash {
    static let basis: UInt64 = 0xcbf2_9ce4_8422_2325
    @inline(__always) static func step(_ hash: UInt64, _ byte: UInt8) -> UInt64 { (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    static func of(_ text: String) -> UInt64 { text.utf8.reduce(basis) { step($0, $1) } }

    /// A draw from a shard key: even over all of `UInt64`.
    package static func draw(_ key: UnsafeRawBufferPointer) -> UInt64 {
        var hash = basis
        for byte in key { hash = step(hash, byte) }
        hash ^= hash >> 30
        hash &*= 0xbf58_476d_1ce4_e5b9
        hash ^= hash >> 27
        hash &*= 0x94d0_49bb_1331_11eb
        return hash ^ hash >> 31
    }
}
