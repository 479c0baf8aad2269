// LogTests: what is logged stands in the file, a line for a record, and the files stay within their bounds.

import Glibc
import Logging
import MantaModel
import Testing

@testable import MantaLog

@Suite struct LogTests {
    private func withFolder(_ body: (String) throws -> Void) rethrows {
        var template = Array("/tmp/manta-log-XXXXXX".utf8CString)
        let folder = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!).map { String(cString: $0) } } ?? ""
        defer {
            for name in names(in: folder) { unlink("\(folder)/\(name)") }
            rmdir(folder)
        }
        try body(folder)
    }

    private func names(in folder: String) -> [String] {
        guard let listing = opendir(folder) else { return [] }
        defer { closedir(listing) }
        var names: [String] = []
        while let entry = readdir(listing) { names.append(withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }) }
        return names.filter { $0 != "." && $0 != ".." }.sorted()
    }

    private func text(_ path: String) -> String {
        guard let file = fopen(path, "re") else { return "" }
        defer { fclose(file) }
        var (bytes, buffer): ([UInt8], [UInt8]) = ([], Array(repeating: 0, count: 4096))
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func lines(_ path: String) -> [String] { text(path).split(separator: "\n").map(String.init) }

    private func logger(_ file: LogFile, level: Logger.Level = .info) -> Logger {
        Logger(label: "manta.test") { LogHandlerOfFile(label: $0, file: file, logLevel: level) }
    }

    // MARK: Records

    @Test func aRecordIsOneLineWithTimeLevelLabelMessageAndFields() throws {
        try withFolder { folder in
            var log = logger(try LogFile(path: "\(folder)/log"))
            log[metadataKey: "node"] = "n1"
            log.info("joined", metadata: ["workers": "3"])
            let line = try #require(lines("\(folder)/log").first)
            #expect(line.wholeMatch(of: #/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO manta\.test: joined node=n1 workers=3/#) != nil, "\(line)")
        }
    }

    @Test func aRecordOfAnotherCannotBeForged() throws {
        try withFolder { folder in
            let log = logger(try LogFile(path: "\(folder)/log"))
            log.info("one\n2026-01-01T00:00:00.000Z ERROR two\r\u{1b}[31m", metadata: ["na\nme": "va\u{0}lue\u{9b}", "ä": "ö"])
            let found = lines("\(folder)/log")
            #expect(found.count == 1)
            #expect(found[0].contains(#"one\n2026-01-01T00:00:00.000Z ERROR two\u{d}\u{1b}[31m na\nme=va\u{0}lue\u{9b} ä=ö"#), "\(found[0])")
        }
    }

    @Test func recordsBelowTheLevelAreLeftOut() throws {
        try withFolder { folder in
            var log = logger(try LogFile(path: "\(folder)/log"))
            log.debug("unseen")
            log.logLevel = .debug
            log.debug("seen")
            #expect(lines("\(folder)/log").map { $0.hasSuffix("DEBUG manta.test: seen") } == [true])
        }
    }

    // MARK: Files

    @Test func aFileIsRotatedAtItsSizeAndTheOldestGo() throws {
        try withFolder { folder in
            let path = "\(folder)/log"
            let file = try LogFile(path: path, limit: 100, kept: 2)
            for number in 0..<10 { file.write("\(number) " + String(repeating: "x", count: 57)) }
            #expect(names(in: folder) == ["log", "log.1", "log.2"])
            #expect([path, "\(path).1", "\(path).2"].flatMap(lines).map { $0.prefix(1) } == ["9", "8", "7"])
        }
    }

    @Test func aLineLargerThanAFileIsWrittenWhole() throws {
        try withFolder { folder in
            let file = try LogFile(path: "\(folder)/log", limit: 10, kept: 1)
            file.write(String(repeating: "y", count: 5000))
            #expect(lines("\(folder)/log") == [String(repeating: "y", count: 5000)])
        }
    }

    @Test func aFileThatIsThereIsContinuedAndItsSizeCounts() throws {
        try withFolder { folder in
            let path = "\(folder)/log"
            try LogFile(path: path, limit: 100, kept: 2).write("before " + String(repeating: "x", count: 60))
            let file = try LogFile(path: path, limit: 100, kept: 2)
            file.write("after")
            #expect(lines(path).last == "after" && lines(path).count == 2)
            file.write("then " + String(repeating: "x", count: 60))
            #expect(lines("\(path).1").count == 2)
            #expect(lines(path).count == 1)
        }
    }

    @Test func linesOfManyThreadsDoNotMix() async throws {
        var template = Array("/tmp/manta-log-XXXXXX".utf8CString)
        let folder = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!).map { String(cString: $0) } } ?? ""
        let file = try LogFile(path: "\(folder)/log", limit: 1 << 20, kept: 1)
        await withTaskGroup(of: Void.self) { group in
            for writer in 0..<8 { group.addTask { for number in 0..<200 { file.write("\(writer) \(number) \(String(repeating: "z", count: 40))") } } }
        }
        let found = lines("\(folder)/log")
        #expect(found.count == 1600)
        #expect(Set(found).count == 1600)
        #expect(found.allSatisfy { $0.hasSuffix(" " + String(repeating: "z", count: 40)) })
        unlink("\(folder)/log")
        rmdir(folder)
    }

    @Test func onlyItsUserAndGroupReadIt() throws {
        try withFolder { folder in
            _ = try LogFile(path: "\(folder)/log")
            var status = stat()
            #expect(stat("\(folder)/log", &status) == 0 && status.st_mode & 0o007 == 0)
        }
    }

    @Test func aPlaceThatCannotBeWrittenIsNamed() {
        let error = #expect(throws: MantaError.self) { try LogFile(path: "/proc/none/log") }
        #expect(error?.message.contains("/proc/none/log") == true)
    }

    @Test func logsOfEndedProcessesAreBoundedAndThoseOfLivingOnesStay() {
        withFolder { folder in
            func make(_ name: String) { close(open("\(folder)/\(name)", O_CREAT | O_WRONLY, 0o600)) }
            // Numbers above the kernel's limit are no processes.
            for number in 0..<(LogFile.keptProcesses + 8) { make("worker-\(5_000_000 + number).log") }
            make("worker-\(5_000_000).log.1")
            for name in ["worker-\(getpid()).log", "node-5000000.log", "worker-x.log"] { make(name) }
            LogFile.removeOld(role: "worker", in: folder)
            let left = names(in: folder)
            #expect(left.count { $0.hasPrefix("worker-50000") && $0.hasSuffix(".log") } == LogFile.keptProcesses)
            for name in ["worker-\(getpid()).log", "node-5000000.log", "worker-x.log"] { #expect(left.contains(name)) }
            #expect(left.allSatisfy { name in !name.hasSuffix(".1") || left.contains(String(name.dropLast(2))) }, "a former file stays behind its log")
        }
    }
}
