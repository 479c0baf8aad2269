// TopicTree: topics, their subtopics and the arXiv tags that belong to each, as config/topics.yaml has them.
//
// A tree that could be made is sound: every topic has subtopics, every tag belongs to one subtopic of one topic.

import Foundation
import Yams

struct TopicTree: Sendable {
    /// The tags of each subtopic of each topic.
    let topics: [String: [String: [String]]]
    private let topicOfTag: [String: String]

    /// Reads a file. A relative path is looked for in the working folder, then beside the program and in the folders above it.
    init(path: String) throws {
        let found = Self.candidates(path).first { FileManager.default.isReadableFile(atPath: $0) }
        guard let found, let text = try? String(contentsOfFile: found, encoding: .utf8) else {
            throw ClassifierError.configuration("cannot read the topics from \"\(path)\"; give its absolute path as topics in the user configuration")
        }
        do {
            try self.init(topics: YAMLDecoder().decode([String: [String: [String]]].self, from: text))
        } catch let error as DecodingError {
            throw ClassifierError.configuration("\(found): expected topics, each with subtopics, each with a list of tags: \(error)")
        }
    }

    init(topics: [String: [String: [String]]]) throws {
        var topicOfTag: [String: String] = [:]
        for (topic, subtopics) in topics {
            guard !subtopics.isEmpty else { throw ClassifierError.configuration("the topic \"\(topic)\" has no subtopics; give it at least one") }
            for tag in subtopics.values.joined() {
                if let other = topicOfTag.updateValue(topic, forKey: tag) {
                    throw ClassifierError.configuration("the tag \(tag) stands twice, in \(other) and \(topic); a tag belongs to one subtopic")
                }
            }
        }
        (self.topics, self.topicOfTag) = (topics, topicOfTag)
    }

    func topic(of tag: String) -> String? { topicOfTag[tag] }

    /// `astro-ph, cond-mat, cs, …`: what tags begin with.
    var archives: String { Set(topicOfTag.keys.map { $0.prefix { $0 != "." } }).sorted().joined(separator: ", ") }

    private static func candidates(_ path: String) -> [String] {
        if path.hasPrefix("/") { return [path] }
        var folders = [FileManager.default.currentDirectoryPath]
        var folder = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        while folder.path.count > 1 {
            folders.append(folder.path)
            folder.deleteLastPathComponent()
        }
        return folders.map { "\($0)/\(path)" }
    }
}
