// TopicActor: the actor of one topic. It holds the titles of its topic by subtopic, each title once, in the order they came.
//
// It is detached and named for its topic in the namespace "topics": any program of the cluster finds it, and it outlives the program that made it.

import Manta

@RemoteActor(lifetime: .detached)
actor TopicActor {
    static let namespace = "topics"
    /// Titles it holds at most; later ones are not taken.
    static let limit = 100_000

    private let topic: String
    private var titles: [String: [String]] = [:]
    private var known: Set<String> = []

    init(topic: String) { self.topic = topic }

    /// Takes a title; returns how many it holds.
    func add(title: String, subtopic: String) throws -> Int {
        if !known.contains(title) {
            guard known.count < Self.limit else {
                throw ClassifierError.busy("the topic \"\(topic)\" holds \(Self.limit) titles, which is its limit")
            }
            known.insert(title)
            titles[subtopic, default: []].append(title)
        }
        return known.count
    }

    /// The titles by subtopic.
    func list() async -> [String: [String]] { titles }
}
