// Classifier: the top of the tree of actors. It sorts a title into its topic, has a parallel task find the subtopic, and sends both to the topic's actor.
//
// At most `queueSize` of those tasks are in flight; titles beyond wait their turn here, in the order they came, up to a limit.

import Manta

struct Classification: Codable, Hashable, Sendable {
    var topic: String
    var subtopic: String
    /// The identifier of the topic's actor.
    var actor: String
}

/// Finds the subtopic that a tag belongs to. A model would take its time, so this does too.
@Remote func computeSubtopic(tag: String, subtopics: [String: [String]], seconds: Double) async throws -> String {
    if seconds > 0 { try await Task.sleep(for: .seconds(seconds)) }
    guard let subtopic = subtopics.first(where: { $0.value.contains(tag) })?.key else {
        throw ClassifierError.configuration("the tag \(tag) belongs to no subtopic")
    }
    return subtopic
}

@RemoteActor(maxConcurrency: 10_000)
actor Classifier {
    /// Titles that wait for their turn at most.
    static let waitingLimit = 10_000

    private let tree: TopicTree
    private var settings: ClassifierSettings
    private var actors: [String: TopicActor.Handle] = [:]
    private var inFlight = 0
    private var waiting: [CheckedContinuation<Void, Never>] = []
    private var firstWaiting = 0

    init(settings: ClassifierSettings) throws {
        self.settings = try settings.checked()
        tree = try TopicTree(path: settings.topics)
    }

    /// Other settings from the next title on; the file of topics stays the one read at the start.
    func configure(settings: ClassifierSettings) throws { self.settings = try settings.checked() }

    /// Returns when the topic's actor holds the title.
    func classify(title raw: String) async throws -> Classification {
        let title = try Title(raw)
        guard let topic = tree.topic(of: title.tag), let subtopics = tree.topics[topic] else {
            throw ClassifierError.title("the tag \"\(title.tag)\" belongs to no topic; known tags begin with \(tree.archives)")
        }
        try await takeTurn()
        defer { giveTurn() }
        let subtopic = try await computeSubtopic.remote(tag: title.tag, subtopics: subtopics, seconds: settings.taskSeconds).value
        do {
            return try await send(title, topic: topic, subtopic: subtopic)
        } catch let error as MantaError where error.code == .actorDied {
            actors[topic] = nil  // someone ended it: the next one begins empty
            return try await send(title, topic: topic, subtopic: subtopic)
        }
    }

    private func send(_ title: Title, topic: String, subtopic: String) async throws -> Classification {
        let handle = actors[topic] ?? TopicActor.options(name: topic, namespace: TopicActor.namespace, getIfExists: true).remote(topic: topic)
        actors[topic] = handle
        _ = try await handle.add(title: title.text, subtopic: subtopic).value
        return Classification(topic: topic, subtopic: subtopic, actor: Manta.id(of: handle).description)
    }

    private func takeTurn() async throws {
        if inFlight < max(1, settings.queueSize) {
            inFlight += 1
            return
        }
        guard waiting.count - firstWaiting < Self.waitingLimit else {
            throw ClassifierError.busy("\(Self.waitingLimit) titles wait already; try again later")
        }
        await withCheckedContinuation { waiting.append($0) }  // whoever gives its turn has counted us in
    }

    private func giveTurn() {
        inFlight -= 1
        while inFlight < max(1, settings.queueSize), firstWaiting < waiting.count {
            inFlight += 1
            waiting[firstWaiting].resume()
            firstWaiting += 1
        }
        if firstWaiting > 1024 {
            waiting.removeFirst(firstWaiting)
            firstWaiting = 0
        }
    }
}
