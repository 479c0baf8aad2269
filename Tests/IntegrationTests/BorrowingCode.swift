// What the tests of borrowing run remotely: code that keeps, passes on and returns references.

import Glibc
import Manta

typealias Blob = ObjectReference<[UInt8]>

@Remote func sizeBehind(_ bytes: [UInt8], _ gate: Gate.Handle, failing: Bool = false) async throws -> Int {
    try await gate.wait().value
    if failing { throw Trouble.broken(code: bytes.count) }
    return bytes.count
}

@Remote func sizeInside(_ references: [Blob], _ gate: Gate.Handle, crashing: Bool = false) async throws -> Int {
    try await gate.wait().value
    if crashing { abort() }
    return try await references[0].value.count
}

/// Passes the references on to a task of its own, and ends; the last one of the chain waits with them.
@Remote func forward(_ references: [Blob], depth: Int, _ gate: Gate.Handle) async throws {
    if depth > 1 { return _ = forward.remote(references, depth: depth - 1, gate) }
    try await gate.wait().value
    guard try await references[0].value.count > 0 else { throw Trouble.broken(code: 0) }
}

@Remote func returnUp(_ depth: Int) async throws -> [Blob] {
    depth > 1 ? try await returnUp.remote(depth - 1).value : [Manta.put([UInt8](repeating: 7, count: 1000))]
}

/// The reference of a task that waits for ever, and the process that owns it.
@Remote func unfinished(_ gate: Gate.Handle) async -> [ObjectReference<Int>] { [waitFor.remote(gate)] }

@Remote func addBehind(_ number: Int, _ other: Int, _ gate: Gate.Handle) async throws -> Int {
    try await gate.wait().value
    return number + other
}

@Remote func blob(_ count: Int) -> [UInt8] { [UInt8](repeating: 1, count: count) }

/// A reference inside a reference inside …, and bytes at the end.
struct Box: Codable, Sendable {
    var inner: ObjectReference<Box>?
    var bytes: Blob?
}

@Remote func depth(of boxes: [ObjectReference<Box>], _ gate: Gate.Handle) async throws -> Int {
    try await gate.wait().value
    var (box, depth) = (try await boxes[0].value, 1)
    while let inner = box.inner { (box, depth) = (try await inner.value, depth + 1) }
    return depth * (try await box.bytes?.value.count ?? 0)
}

@RemoteActor actor Shelf {
    private var left: Blob?
    private var right: Blob?
    init(_ references: [Blob] = []) { left = references.first }
    func keep(_ references: [Blob]) { (left, right) = (references[0], references[0]) }
    func references() -> [Blob] { [left, right].compactMap { $0 } }
    func dropLeft() { left = nil }
    func dropRight() { right = nil }
    func size() async throws -> Int { try await (left ?? right)?.value.count ?? -1 }
    func process() -> Int32 { getpid() }
}

@Remote func sizeOfTheFirst(on shelf: Shelf.Handle) async throws -> Int { try await shelf.references().value[0].value.count }

@Remote func referenceStream(_ count: Int) -> ResultStream<[ObjectReference<Int>]> {
    ResultStream { yield in
        for number in 0..<count { try await yield([Manta.put(number)]) }
    }
}
