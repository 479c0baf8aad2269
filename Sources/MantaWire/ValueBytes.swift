// ValueBytes: the bytes of an encoded value, in this process's own memory or in a node's shared store, read the same way.

import Glibc
package import MantaMemory

/// An encoded value: MessagePack, as `ValueEncoder` wrote it.
package enum ValueBytes: Sendable {
    case array([UInt8])
    /// In a store, pinned for as long as this is held.
    case mapped(MappedBytes)

    package var count: Int {
        switch self {
        case .array(let bytes): bytes.count
        case .mapped(let bytes): bytes.buffer.count
        }
    }

    @inlinable package func withUnsafeBytes<Result, Failure: Error>(_ body: (UnsafeRawBufferPointer) throws(Failure) -> Result) throws(Failure) -> Result {
        switch self {
        case .array(let bytes):
            // `Array.withUnsafeBytes` has no typed throws.
            let outcome: Swift.Result<Result, Failure> = bytes.withUnsafeBytes { buffer in
                do throws(Failure) { return .success(try body(buffer)) } catch { return .failure(error) }
            }
            return try outcome.get()
        case .mapped(let bytes): return try body(bytes.buffer)
        }
    }

    @inlinable package subscript(_ position: Int) -> UInt8 {
        switch self {
        case .array(let bytes): bytes[position]
        case .mapped(let bytes): bytes.buffer[position]
        }
    }

    /// A copy of a part.
    package subscript(_ range: Range<Int>) -> [UInt8] {
        switch self {
        case .array(let bytes): Array(bytes[range])
        case .mapped(let bytes): Array(bytes.buffer[range])
        }
    }

    /// Whether two parts hold the same.
    func areEqual(_ left: Range<Int>, _ right: Range<Int>) -> Bool {
        left.count == right.count
            && withUnsafeBytes { memcmp($0.baseAddress! + left.lowerBound, $0.baseAddress! + right.lowerBound, left.count) == 0 }
    }

    /// All of them as an array; copied out of a store.
    package var array: [UInt8] {
        switch self {
        case .array(let bytes): bytes
        case .mapped(let bytes): Array(bytes.buffer)
        }
    }
}

extension ValueBytes: Hashable {
    package static func == (left: Self, right: Self) -> Bool {
        left.withUnsafeBytes { left in right.withUnsafeBytes { right in left.elementsEqual(right) } }
    }
    package func hash(into hasher: inout Hasher) { withUnsafeBytes { hasher.combine(bytes: $0) } }
}
