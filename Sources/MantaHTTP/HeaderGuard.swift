// HeaderGuard: decides about a request when its header is complete and its body not yet read. Pure: bytes in, a refusal or the body's framing out.
//
// libmicrohttpd 0.9.75 accepts shapes with which one request can be smuggled inside another (two lengths, a length beside chunks, space before the colon,
// bare line feeds, NUL, folded lines). Whatever passes here means the same to every HTTP implementation.
//
// Not seen here, because libmicrohttpd keeps the lines between chunks to itself: a chunk's line that ends with a bare line feed, and long chunk extensions,
// which it ignores. What it refuses before anybody is asked (a length that is no number, a bad chunk size, no version) it answers with a page of its own.

struct HeaderGuard {
    let limits: HTTPLimits
    let isVersion10: Bool
    /// Where the next header line must begin in memory, if the lines' layout can be checked.
    ///
    /// libmicrohttpd splits the lines in place: colon and line end become NUL. So after a value come two NULs (CR LF was there) and then the next name; a
    /// bare line feed, a NUL in a value, or a folded line (which is copied elsewhere) break this chain.
    var cursor: UInt?

    private(set) var rejection: HTTPRejection?
    private(set) var contentLength: Int?
    private(set) var isChunked = false
    private(set) var host: UnsafeRawBufferPointer?
    /// A request identifier of the client that is fit to be used.
    private(set) var requestID: UnsafeRawBufferPointer?
    private var lines = 0
    private var hasContentLength = false
    private var hasTransferEncoding = false

    init(limits: HTTPLimits, isVersion10: Bool, cursor: UInt?) {
        (self.limits, self.isVersion10, self.cursor) = (limits, isVersion10, cursor)
    }

    /// Looks at one header line. Says false when the request is refused and no more lines need be shown.
    mutating func line(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) -> Bool {
        guard lines < limits.headerLines else { return refuse(.headersTooLarge) }
        lines += 1
        guard isLaidOut(name: name, value: value) else { return refuse(.layout) }
        guard !name.isEmpty, tokenBytes.containsAll(name) else { return refuse(.headerName) }
        for byte in value where byte < 0x20 && byte != 0x09 || byte == 0x7F { return refuse(.headerValue) }
        switch name.count {
        case 4 where equals(name, "host"): return note(host: value)
        case 6 where equals(name, "expect"): return equals(value, "100-continue") || refuse(.expectation)
        case 12 where equals(name, "x-request-id"):
            if (1...64).contains(value.count), tokenBytes.containsAll(value) { requestID = value }
        case 14 where equals(name, "content-length"): return note(contentLength: value)
        case 17 where equals(name, "transfer-encoding"):
            guard !hasTransferEncoding else { return refuse(.transferEncodingTwice) }
            hasTransferEncoding = true
            guard !isVersion10 else { return refuse(.transferEncodingInOldVersion) }
            isChunked = equals(trimmed(value), "chunked")
            return isChunked || refuse(.transferEncoding)
        default: break
        }
        return true
    }

    /// The decision about the whole header; `end` is where the header's memory ends.
    mutating func decide(method: HTTPMethod, end: UInt?) -> HTTPRejection? {
        if let rejection { return rejection }
        // The empty line: another CR LF, and nothing behind it.
        if let cursor, let end, cursor + 2 != end { return .layout }
        if hasContentLength && hasTransferEncoding { return .lengthAndEncoding }
        if host == nil && !isVersion10 { return .hostMissing }
        if let contentLength, contentLength > limits.bodyBytes { return .bodyTooLarge }
        if !limits.acceptsBodyWithoutNeed, !method.needsBody, isChunked || (contentLength ?? 0) > 0 { return .needlessBody }
        return nil
    }

    private mutating func refuse(_ reason: HTTPRejection) -> Bool {
        rejection = reason
        return false
    }

    private mutating func note(host value: UnsafeRawBufferPointer) -> Bool {
        guard host == nil else { return refuse(.hostTwice) }
        let value = trimmed(value)
        host = value
        let isFit = (1...255).contains(value.count) && hostBytes.containsAll(value)
        return isFit || refuse(.host)
    }

    private mutating func note(contentLength value: UnsafeRawBufferPointer) -> Bool {
        guard !hasContentLength else { return refuse(.contentLengthTwice) }
        hasContentLength = true
        let digits = trimmed(value)
        guard !digits.isEmpty, digits.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }) else { return refuse(.contentLength) }
        guard digits.count == 1 || digits[0] != UInt8(ascii: "0") else { return refuse(.contentLength) }
        guard digits.count <= 18 else { return refuse(.bodyTooLarge) }
        contentLength = digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        return true
    }

    private mutating func isLaidOut(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) -> Bool {
        guard let expected = cursor else { return true }
        guard let nameStart = name.baseAddress, let valueStart = value.baseAddress, UInt(bitPattern: nameStart) == expected else { return false }
        // Between the name and its value there is the colon and perhaps white space.
        let gap = valueStart - (nameStart + name.count)
        guard gap >= 1, gap <= 64, (1..<gap).allSatisfy({ isBlank(nameStart.load(fromByteOffset: name.count + $0, as: UInt8.self)) }) else { return false }
        // The values' length ends at the first NUL: if this was CR LF, a second one follows.
        guard valueStart.load(fromByteOffset: value.count + 1, as: UInt8.self) == 0 else { return false }
        cursor = UInt(bitPattern: valueStart) + UInt(value.count) + 2
        return true
    }
}

/// Whether the text, in small letters, is what the bytes say in any letters.
func equals(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
    guard bytes.count == text.utf8CodeUnitCount else { return false }
    for index in 0..<bytes.count {
        let byte = bytes[index]
        let small = byte &- UInt8(ascii: "A") < 26 ? byte | 0x20 : byte
        if small != text.utf8Start[index] { return false }
    }
    return true
}

private func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

private func trimmed(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    var (start, end) = (bytes.startIndex, bytes.endIndex)
    while start < end, isBlank(bytes[start]) { start += 1 }
    while end > start, isBlank(bytes[end - 1]) { end -= 1 }
    return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
}

/// A set of ASCII bytes that costs two words and a shift.
struct ByteSet {
    private var low: UInt64 = 0
    private var high: UInt64 = 0

    init(_ others: String) {
        for byte in UInt8(ascii: "a")...UInt8(ascii: "z") { insert(byte) }
        for byte in UInt8(ascii: "A")...UInt8(ascii: "Z") { insert(byte) }
        for byte in UInt8(ascii: "0")...UInt8(ascii: "9") { insert(byte) }
        for byte in others.utf8 { insert(byte) }
    }

    private mutating func insert(_ byte: UInt8) {
        if byte < 64 { low |= 1 << UInt64(byte) } else if byte < 128 { high |= 1 << UInt64(byte - 64) }
    }

    func contains(_ byte: UInt8) -> Bool {
        (byte < 64 ? low >> UInt64(byte) : byte < 128 ? high >> UInt64(byte - 64) : 0) & 1 != 0
    }

    func containsAll(_ bytes: UnsafeRawBufferPointer) -> Bool {
        for byte in bytes where !contains(byte) { return false }
        return true
    }
}

/// The bytes of names, by RFC 9110's `token`.
let tokenBytes = ByteSet("!#$%&'*+-.^_`|~")
private let hostBytes = ByteSet("-._:[]")
