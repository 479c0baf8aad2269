// Title: the title of a paper with its arXiv tag at the end, as in "Spectral Measures on Locally Fields [math.FA]".

struct Title: Sendable, Hashable {
    static let byteLimit = 1000
    static let example = "Spectral Measures on Locally Fields [math.FA]"

    /// The whole title with its tag, without space around it.
    let text: String
    let tag: String

    init(_ raw: String) throws(ClassifierError) {
        let trimmed = raw.drop { $0.isWhitespace }
        let text = String(trimmed.reversed().drop { $0.isWhitespace }.reversed())
        guard !text.isEmpty else { throw .title("the title is empty; expected one such as \"\(Self.example)\"") }
        guard text.utf8.count <= Self.byteLimit else { throw .title("the title has \(text.utf8.count) bytes; expected at most \(Self.byteLimit)") }
        guard !text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7f }) else {
            throw .title("the title holds a line break or another control character; post one title in one line")
        }
        guard text.hasSuffix("]"), let bracket = text.lastIndex(of: "[") else {
            throw .title("the title ends in no tag; expected an arXiv tag in brackets, as in \"\(Self.example)\"")
        }
        let tag = text[text.index(after: bracket)..<text.index(before: text.endIndex)]
        guard !tag.isEmpty else { throw .title("the tag in [] is empty; expected an arXiv tag, as in \"\(Self.example)\"") }
        guard text[..<bracket].contains(where: { !$0.isWhitespace }) else { throw .title("there is no title before the tag [\(tag)]") }
        (self.text, self.tag) = (text, String(tag))
    }
}

/// What can be wrong with a title or with the settings; travels from the actor to the backend as itself.
enum ClassifierError: Error, Codable, Hashable, CustomStringConvertible {
    /// The client's fault: answered with 400.
    case title(String)
    /// The operator's fault.
    case configuration(String)
    /// Too many titles wait: answered with 503.
    case busy(String)

    var description: String {
        switch self {
        case .title(let text), .configuration(let text), .busy(let text): text
        }
    }
}
