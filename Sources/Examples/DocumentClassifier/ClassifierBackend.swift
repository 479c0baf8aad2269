// ClassifierBackend: the classifier over HTTP. POST takes a title, as text or as {"title": …}, and answers its classification; GET …/TOPIC answers the
// titles that the topic's actor holds, by subtopic.
//
// Every replica finds the same classifier actor by its name, so that there is one queue however many replicas there are.

import Manta
import MantaServe

@Deployable struct ClassifierBackend: Backend {
    private let classifier: Classifier.Handle
    private let topics: Set<String>

    init(_ context: BackendContext) async throws {
        let settings = try (context.configuration == .null ? ClassifierSettings() : context.configuration(as: ClassifierSettings.self)).checked()
        topics = Set(try TopicTree(path: settings.topics).topics.keys)
        classifier = Classifier.options(name: "classifier", namespace: "documents", lifetime: .detached, getIfExists: true).remote(settings: settings)
        try await classifier.configure(settings: settings).value  // it may have been there before, with other settings
    }

    func handle(_ request: Request) async throws -> Response {
        do {
            return request.method == "POST" ? try await classify(request) : try await titles(request)
        } catch ClassifierError.title(let text) {
            return try Problem(code: "invalidArgument", message: text, requestId: request.requestID).response(400)
        } catch ClassifierError.busy(let text) {
            var response = try Problem(code: "overloaded", message: text, requestId: request.requestID).response(503)
            response.headers.append(Header("Retry-After", "1"))
            return response
        }
    }

    private func classify(_ request: Request) async throws -> Response {
        try await .json(classifier.classify(title: title(in: request)).value)
    }

    private func title(in request: Request) throws -> String {
        let text = request.text
        // A title ends in "]", so what is in braces can only be JSON, whatever type the client says it has.
        guard request.header("Content-Type")?.contains("json") == true || (text.hasPrefix("{") && text.hasSuffix("}")) else { return text }
        struct Posted: Decodable { var title: String }
        do { return try request.json(as: Posted.self).title } catch let error as MantaError {
            throw ClassifierError.title("\(error.message); expected {\"title\": \"\(Title.example)\"}")
        }
    }

    private func titles(_ request: Request) async throws -> Response {
        let parts = request.path.split(separator: "/").map(String.init)
        guard parts.count == 2, let topic = parts.last, topics.contains(topic) else {
            let known = topics.sorted().joined(separator: ", ")
            return try Problem(code: "notFound", message: "no such topic; there are \(known)", requestId: request.requestID).response(404)
        }
        do {
            return try await .json(TopicActor.named(topic, namespace: TopicActor.namespace).list().value)
        } catch let error as MantaError where error.code == .notFound || error.code == .actorDied {
            return try .json([String: [String]]())  // no title of this topic has come yet
        }
    }
}

/// A refusal in the form that the platform's own have.
private struct Problem: Encodable {
    var code: String
    var message: String
    var detail: String?
    var requestId: String

    func response(_ status: Int) throws -> Response { try .json(self, status: status) }

    enum CodingKeys: String, CodingKey { case code, message, detail, requestId }
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(code, forKey: .code)
        try container.encode(message, forKey: .message)
        try container.encode(detail, forKey: .detail)
        try container.encode(requestId, forKey: .requestId)
    }
}
