// ByteStorage: bytes that grow and are used again, request after request, without an allocation once warm.
//
// Owns its memory; its address is stable until the next append or release, so it may be lent to libmicrohttpd between them.

import Glibc

struct ByteStorage: ~Copyable {
    private(set) var start: UnsafeMutablePointer<UInt8>?
    private(set) var count = 0
    private var capacity = 0

    init() {}
    deinit { free(start) }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: start, count: count) }

    mutating func append(_ source: UnsafeRawBufferPointer) {
        guard let from = source.baseAddress, !source.isEmpty else { return }
        let to = reserve(source.count)
        memcpy(to, from, source.count)
        count += source.count
    }

    /// Appends bytes that `fill` writes.
    mutating func append(count more: Int, _ fill: (UnsafeMutablePointer<UInt8>) -> Void) {
        fill(reserve(more))
        count += more
    }

    mutating func append(_ byte: UInt8) {
        reserve(1).pointee = byte
        count += 1
    }

    mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// Makes room behind the content and says where it begins.
    @discardableResult
    mutating func reserve(_ more: Int) -> UnsafeMutablePointer<UInt8> {
        if count + more > capacity || start == nil {
            capacity = max(count + more, capacity * 2, 256)
            guard let grown = realloc(start, capacity) else { preconditionFailure("no memory for \(capacity) bytes of an HTTP message") }
            start = grown.assumingMemoryBound(to: UInt8.self)
        }
        return start.unsafelyUnwrapped + count
    }

    /// Forgets the content and keeps the memory, unless it is more than `keeping` bytes: one large request must not hold its memory for ever.
    mutating func clear(keeping: Int = 64 << 10) {
        count = 0
        guard capacity > keeping else { return }
        free(start)
        (start, capacity) = (nil, 0)
    }
}
