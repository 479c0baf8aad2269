// DocumentClassifier: the example's own program. As a driver it sorts the titles given to it, or those of config/titles.txt, without any HTTP; or it
// serves itself.
//
//     swift run DocumentClassifier                                           a cluster of its own
//     swift run DocumentClassifier "Attention Is All You Need [cs.CL]"
//     swift run DocumentClassifier --serve                                   POST /classify until it is interrupted
//     MANTA_ADDRESS=tcp://127.0.0.1:6380 swift run DocumentClassifier        the cluster that runs there
//
// `manta serve deploy config/serve.yaml` runs the same program as replicas and workers; then this code does not run.

import Foundation
import Manta
import MantaServe

@main
enum DocumentClassifier {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        let session = try await Manta.start()
        if arguments == ["--serve"] {
            try await serve(at: session.http ?? "the cluster's HTTP port")
        } else {
            let titles = arguments.isEmpty ? try String(contentsOfFile: "config/titles.txt", encoding: .utf8).split(separator: "\n").map(String.init) : arguments
            try await classify(titles)
        }
        await session.stop()
    }

    static func classify(_ titles: [String]) async throws {
        let classifier = Classifier.remote(settings: ClassifierSettings())
        let began = ContinuousClock.now
        var counts: [String: Int] = [:]
        for reference in titles.map({ classifier.classify(title: $0) }) {
            do {
                let classification = try await reference.value
                counts["\(classification.topic), \(classification.subtopic)", default: 0] += 1
            } catch let error as ClassifierError {
                print(error)
            }
        }
        for (subtopic, count) in counts.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }) { print("\(count)\t\(subtopic)") }
        print("\(titles.count) titles in \(ContinuousClock.now - began)")
    }

    /// What config/serve.yaml says, said in Swift.
    static func serve(at url: String) async throws {
        let serve = try await Serve.connect()
        try await serve.createBackend("classifier:v1", ClassifierBackend.self, BackendOptions(replicas: 2))
        try await serve.createEndpoint("classify", route: "/classify", methods: [.post], backend: "classifier:v1")
        try await serve.createEndpoint("topics", route: "/topics", methods: [.get], backend: "classifier:v1")
        print("curl -d '\(Title.example)' \(url)/classify")
        while true { try await Task.sleep(for: .seconds(3600)) }
    }
}
