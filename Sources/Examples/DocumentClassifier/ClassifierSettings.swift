// ClassifierSettings: what the operator sets in the backend's user configuration (config/serve.yaml); what is left out has its default.

struct ClassifierSettings: Codable, Hashable, Sendable {
    /// The file that holds topics and subtopics.
    var topics = "config/topics.yaml"
    /// Subtopic computations in flight at most; 0 and 1 do one title after the other.
    var queueSize = 8
    /// How long one computation takes, in seconds: the stand-in for the work of a model.
    var taskSeconds = 0.0

    init() {}

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        topics = try container.decodeIfPresent(String.self, forKey: .topics) ?? topics
        queueSize = try container.decodeIfPresent(Int.self, forKey: .queueSize) ?? queueSize
        taskSeconds = try container.decodeIfPresent(Double.self, forKey: .taskSeconds) ?? taskSeconds
    }

    func checked() throws -> ClassifierSettings {
        guard (0...10_000).contains(queueSize) else { throw ClassifierError.configuration("queueSize is \(queueSize); expected 0 to 10000") }
        guard (0...3600).contains(taskSeconds) else { throw ClassifierError.configuration("taskSeconds is \(taskSeconds); expected 0 to 3600") }
        return self
    }
}
