// RequestTarget: the part of the request line between method and version: is it acceptable, where does its path end, what is it decoded.
//
// Pure. Accepted means: printable ASCII, percent escapes complete, and a path that, decoded once, is UTF-8 without control characters, backslashes, dot
// segments, and escapes that would become a dot or a slash if someone decoded again. So whoever routes by the decoded path sees what everyone else sees.

/// Where the parts of a request target are, as byte offsets.
struct RequestTarget {
    /// Bytes of an absolute form's scheme and authority; 0 in the usual form.
    var authority = 0..<0
    var path = 0..<0
    /// Without the question mark; empty if there is none.
    var query = 0..<0
    /// Whether the path holds percent escapes, so that its decoded form differs.
    var isEscaped = false

    /// Finds the parts, or says what is wrong.
    static func parse(_ bytes: UnsafeRawBufferPointer) -> Result<RequestTarget, HTTPRejection> {
        var target = RequestTarget()
        var index = 0
        if bytes.first != UInt8(ascii: "/") {
            // The absolute form is for proxies; its authority must be what the Host header says, which the guard checks.
            let prefix = "http://".utf8
            guard bytes.count > prefix.count, bytes.starts(with: prefix) else { return .failure(.targetForm) }
            let end = bytes[prefix.count...].firstIndex(of: UInt8(ascii: "/")) ?? bytes.endIndex
            guard end < bytes.endIndex else { return .failure(.targetForm) }
            target.authority = prefix.count..<end
            index = end
        }
        let start = index
        var questionMark: Int?
        while index < bytes.count {
            let byte = bytes[index]
            switch byte {
            case UInt8(ascii: "%"):
                guard index + 2 < bytes.count, hexadecimal(bytes[index + 1]) != nil, hexadecimal(bytes[index + 2]) != nil else { return .failure(.escape) }
                if questionMark == nil { target.isEscaped = true }
                index += 2
            case UInt8(ascii: "?"):
                if questionMark == nil { questionMark = index }
            case 0x21...0x7E where byte != UInt8(ascii: "\\") && byte != UInt8(ascii: "#"): break
            default: return .failure(.targetBytes)
            }
            index += 1
        }
        target.path = start..<(questionMark ?? bytes.count)
        target.query = questionMark.map { $0 + 1..<bytes.count } ?? bytes.count..<bytes.count
        if !target.isEscaped, !isSafe(UnsafeRawBufferPointer(rebasing: bytes[target.path])) { return .failure(.path) }
        return .success(target)
    }

    /// Replaces percent escapes, once. `bytes` must have been accepted by `parse`.
    static func decode(_ bytes: UnsafeRawBufferPointer, plusIsSpace: Bool = false, into storage: inout ByteStorage) {
        storage.reserve(bytes.count)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "%"), index + 2 < bytes.count, let high = hexadecimal(bytes[index + 1]), let low = hexadecimal(bytes[index + 2]) {
                storage.append(high << 4 | low)
                index += 3
            } else {
                storage.append(plusIsSpace && byte == UInt8(ascii: "+") ? UInt8(ascii: " ") : byte)
                index += 1
            }
        }
    }

    /// Whether a decoded path leads nowhere else than it seems to.
    static func isSafe(_ path: UnsafeRawBufferPointer) -> Bool {
        var segment = 0  // where the current segment begins
        for index in 0...path.count {
            if index == path.count || path[index] == UInt8(ascii: "/") {
                switch index - segment {
                case 1 where path[segment] == UInt8(ascii: "."): return false
                case 2 where path[segment] == UInt8(ascii: ".") && path[segment + 1] == UInt8(ascii: "."): return false
                default: segment = index + 1
                }
                continue
            }
            let byte = path[index]
            if byte < 0x20 || byte == 0x7F || byte == UInt8(ascii: "\\") { return false }
            if byte == UInt8(ascii: "%"), index + 2 < path.count, let high = hexadecimal(path[index + 1]), let low = hexadecimal(path[index + 2]) {
                let again = high << 4 | low
                if again < 0x20 || again == UInt8(ascii: ".") || again == UInt8(ascii: "/") || again == UInt8(ascii: "\\") { return false }
            }
        }
        return true
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

/// The value of a query parameter, decoded; invalid UTF-8 in it is replaced.
func queryValue(_ name: String, in query: UnsafeRawBufferPointer) -> String? {
    for pair in query.split(separator: UInt8(ascii: "&"), omittingEmptySubsequences: true) {
        let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
        guard decodedText(parts[0]) == name else { continue }
        return parts.count == 2 ? decodedText(parts[1]) : ""
    }
    return nil
}

func decodedText(_ part: Slice<UnsafeRawBufferPointer>) -> String {
    var storage = ByteStorage()
    RequestTarget.decode(UnsafeRawBufferPointer(rebasing: part), plusIsSpace: true, into: &storage)
    return String(decoding: storage.bytes, as: UTF8.self)
}
