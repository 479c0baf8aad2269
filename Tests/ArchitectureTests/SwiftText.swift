// SwiftText: Swift source with its comments and string contents blanked out, so that a rule sees code only.
//
// Line breaks stay where they are, so that line numbers hold. It knows nested comments, escapes, interpolation, multi-line and raw strings; it
// does not know regular-expression literals, which the project does not use.

enum SwiftText {
    static func codeOnly(_ text: String) -> String {
        var scanner = Scanner(Array(text.utf8))
        scanner.code(until: nil)
        return String(decoding: scanner.output, as: UTF8.self)
    }

    private struct Scanner {
        let bytes: [UInt8]
        var place = 0
        var output: [UInt8] = []

        init(_ bytes: [UInt8]) {
            self.bytes = bytes
            output.reserveCapacity(bytes.count)
        }

        func at(_ offset: Int) -> UInt8 { place + offset < bytes.count ? bytes[place + offset] : 0 }
        func starts(with text: StaticString) -> Bool {
            (0..<text.utf8CodeUnitCount).allSatisfy { at($0) == text.utf8Start[$0] }
        }
        mutating func keep() {
            output.append(bytes[place])
            place += 1
        }
        mutating func blank(_ count: Int = 1) {
            for _ in 0..<count where place < bytes.count {
                output.append(bytes[place] == UInt8(ascii: "\n") ? UInt8(ascii: "\n") : UInt8(ascii: " "))
                place += 1
            }
        }

        /// Copies code up to the end, or past the parenthesis that closes an interpolation.
        mutating func code(until closing: UInt8?) {
            var depth = 0
            while place < bytes.count {
                if starts(with: "//") {
                    while place < bytes.count, bytes[place] != UInt8(ascii: "\n") { blank() }
                } else if starts(with: "/*") {
                    blockComment()
                } else if at(0) == UInt8(ascii: "\"") {
                    string(hashes: 0)
                } else if at(0) == UInt8(ascii: "#"), let hashes = hashesBeforeQuote() {
                    blank(hashes)
                    string(hashes: hashes)
                } else {
                    if closing != nil {
                        if at(0) == UInt8(ascii: "(") { depth += 1 }
                        if at(0) == closing {
                            if depth == 0 { return blank() }
                            depth -= 1
                        }
                    }
                    keep()
                }
            }
        }

        mutating func blockComment() {
            var depth = 0
            repeat {
                if starts(with: "/*") {
                    depth += 1
                    blank(2)
                } else if starts(with: "*/") {
                    depth -= 1
                    blank(2)
                } else {
                    blank()
                }
            } while depth > 0 && place < bytes.count
        }

        func hashesBeforeQuote() -> Int? {
            var count = 0
            while at(count) == UInt8(ascii: "#") { count += 1 }
            return at(count) == UInt8(ascii: "\"") ? count : nil
        }

        func hashesFollow(_ offset: Int, _ count: Int) -> Bool { (0..<count).allSatisfy { at(offset + $0) == UInt8(ascii: "#") } }

        /// A literal whose opening quote is next.
        mutating func string(hashes: Int) {
            let quotes = starts(with: "\"\"\"") ? 3 : 1
            for _ in 0..<quotes { keep() }
            while place < bytes.count {
                if at(0) == UInt8(ascii: "\\"), hashesFollow(1, hashes) {
                    if at(1 + hashes) == UInt8(ascii: "(") {
                        blank(2 + hashes)
                        code(until: UInt8(ascii: ")"))
                    } else {
                        blank(2 + hashes)
                    }
                } else if at(0) == UInt8(ascii: "\""), quotes == 1 || starts(with: "\"\"\""), hashesFollow(quotes, hashes) {
                    for _ in 0..<quotes { keep() }
                    blank(hashes)
                    return
                } else if at(0) == UInt8(ascii: "\n"), quotes == 1 {
                    return  // an unclosed literal: not Swift, so do not swallow the rest
                } else {
                    blank()
                }
            }
        }
    }
}
