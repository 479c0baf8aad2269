// DocumentClassifier: the example's own program. As a driver it sorts the titles given to it, or those of config/titles.txt, without any HTTP.
//
//     swift run DocumentClassifier                                           a cluster of its own
//     swift run DocumentClassifier "Attention Is All You Need [cs.CL]"
//     MANTA_ADDRESS=tcp://127.0.0.1:6380 swift run DocumentClassifier        the cluster that runs there
//
// `manta serve deploy config/serve.yaml` runs the same program as replicas and workers; then this code does not run.

import Foundation
import Manta

@main
enum DocumentClassifier {
    static func main() async throws {
        let session = try await Manta.start()
        let classifier = Classifier.remote(settings: ClassifierSettings())
        let given = Array(CommandLine.arguments.dropFirst())
        let titles = given.isEmpty ? try String(contentsOfFile: "config/titles.txt", encoding: .utf8).split(separator: "\n").map(String.init) : given

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
        await session.stop()
    }
}
