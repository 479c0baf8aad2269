// LogHandlerOfFile: turns a record of swift-log into one line: time, level, label, message, key=value.
//
// A record is one line whatever is in it: control characters, which could forge records or steer a terminal, are written as escapes.

import Glibc
import Logging

struct LogHandlerOfFile: LogHandler {
    let label: String
    let file: LogFile?
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(label: String, file: LogFile?, logLevel: Logger.Level) { (self.label, self.file, self.logLevel) = (label, file, logLevel) }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = "\(Self.time()) \(event.level.rawValue.uppercased()) \(label): \(Self.escaped(event.message.description))"
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { $1 } }
        if let own = event.metadata { fields.merge(own) { $1 } }
        for (key, value) in fields.sorted(by: { $0.key < $1.key }) { line += " \(Self.escaped(key))=\(Self.escaped("\(value)"))" }
        if let error = event.error { line += " error=\(Self.escaped("\(error)"))" }
        file?.write(line)
        if event.level >= .warning { Self.standardError(line) }
    }

    static func standardError(_ line: String) {
        var text = line + "\n"
        text.withUTF8 { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    /// UTC, in milliseconds: 2026-11-20T09:30:00.123Z.
    private static func time() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        gmtime_r(&now.tv_sec, &parts)
        func digits(_ value: Int32, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
        }
        let date = "\(digits(parts.tm_year + 1900, 4))-\(digits(parts.tm_mon + 1, 2))-\(digits(parts.tm_mday, 2))"
        let time = "\(digits(parts.tm_hour, 2)):\(digits(parts.tm_min, 2)):\(digits(parts.tm_sec, 2)).\(digits(Int32(now.tv_nsec / 1_000_000), 3))"
        return "\(date)T\(time)Z"
    }

    static func escaped(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        return text.unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            default: if isControl(scalar) { result += "\\u{\(String(scalar.value, radix: 16))}" } else { result.unicodeScalars.append(scalar) }
            }
        }
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool { scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) }
}
