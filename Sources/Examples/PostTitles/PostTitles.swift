// PostTitles: posts titles of papers to the document classifier as fast as it can, then shows rate, latencies and what each topic holds.
//
// It knows nothing of Manta but the two HTTP endpoints, as any client would.

import ArgumentParser
import Foundation
import PlainHTTP

@main
struct PostTitles: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "PostTitles",
        abstract: "Posts titles of papers to the document classifier as fast as it can.",
        discussion: """
            Examples:
              PostTitles                                  each title of config/titles.txt once, over 8 connections
              PostTitles --count 20000 --connections 16   a load test
              PostTitles --url http://127.0.0.1:8000
            """)

    @Option(help: "Where the platform serves HTTP.") var url = "http://127.0.0.1:8000"
    @Option(help: "A file with one title a line, each with its arXiv tag.") var file = "config/titles.txt"
    @Option(help: "Connections that post at the same time.") var connections = 8
    @Option(help: "How many titles to post, over and over; by default each once.") var count: Int?
    @Option(help: "Topics to show at the end, separated by commas.") var topics = "math,physics,compsci,bio,finance"
    @Flag(help: "Print one JSON object instead of text.") var json = false

    func validate() throws {
        guard (1...1024).contains(connections) else { throw ValidationError("--connections is \(connections); expected 1 to 1024") }
        if let count, count < 1 { throw ValidationError("--count is \(count); expected at least 1") }
    }

    func run() throws {
        guard let base = URL(string: url), let host = base.host, base.scheme == "http" else {
            throw ValidationError("--url is \"\(url)\"; expected http://host:port")
        }
        let server = Server(host: host, port: UInt16(exactly: base.port ?? 80) ?? 80)
        let titles = try read(file)
        let tally = Tally(total: count ?? titles.count)
        let began = ContinuousClock.now
        let threads = (0..<connections).map { _ in Poster(server: server, titles: titles, tally: tally).start() }
        var bar = ProgressBar(total: count ?? titles.count)
        for thread in threads {
            while thread.wait(timeout: .now() + .milliseconds(100)) == .timedOut { bar.show(tally.answered) }
        }
        let seconds = (ContinuousClock.now - began).seconds
        bar.show(tally.answered)

        let counts = tally.snapshot
        let held = topics.split(separator: ",").map { (String($0), server.titles(of: String($0))) }
        let report = Report(counts: counts, seconds: seconds, topics: held)
        print(json ? report.json : report.text)
        if counts.statuses[200] != counts.answered { throw ExitCode.failure }
    }

    private func read(_ path: String) throws -> [String] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw ValidationError("cannot read \(path); run from the project's folder or give --file")
        }
        let titles = text.split(whereSeparator: \.isNewline).map(String.init)
        guard !titles.isEmpty else { throw ValidationError("\(path) holds no titles; expected one a line") }
        return titles
    }
}

/// Where to post.
struct Server: Sendable {
    let host: String
    let port: UInt16

    /// How many titles a topic's actor holds, by subtopic; nil when it does not answer.
    func titles(of topic: String) -> [String: Int]? {
        guard let path = topic.addingPercentEncoding(withAllowedCharacters: .alphanumerics),
            let answer = try? HTTPConnection(host: host, port: port).request("GET", "/topics/\(path)"), answer.status == 200,
            let object = try? JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: [String]]
        else { return nil }
        return object.mapValues(\.count)
    }
}

/// One thread with one connection that posts title after title until none is left.
struct Poster: Sendable {
    let server: Server
    let titles: [String]
    let tally: Tally

    /// The semaphore is signalled when the thread has ended.
    func start() -> DispatchSemaphore {
        let ended = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            post()
            ended.signal()
        }
        return ended
    }

    private func post() {
        var connection: HTTPConnection?
        while let number = tally.take() {
            let began = ContinuousClock.now
            do throws(HTTPFailure) {
                let current = if let connection { connection } else { try HTTPConnection(host: server.host, port: server.port) }
                connection = current
                let answer = try current.request(
                    "POST", "/classify", headers: [("Content-Type", "text/plain")], body: Array(titles[number % titles.count].utf8))
                tally.record(answer, seconds: (ContinuousClock.now - began).seconds)
                if answer.header("Connection")?.lowercased() == "close" { connection = nil }
            } catch {
                tally.record(error)
                connection = nil
            }
        }
    }
}
