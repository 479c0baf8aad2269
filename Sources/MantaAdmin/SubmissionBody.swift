// SubmissionBody: a submission as operators write it in JSON, read strictly: what is not known is named.

import MantaJSON
import MantaModel

enum SubmissionBody {
    private static let members: Set = ["entrypoint", "id", "environment", "directory", "cpus", "gpus", "memory", "resources", "metadata"]

    /// Throws `invalidArgument` that names the member.
    static func specification(_ value: JSONValue) throws(MantaError) -> SubmissionSpecification {
        guard let object = value.object else { throw complaint("expected an object such as {\"entrypoint\": \"echo hello\"}, found \(value.kind)") }
        for (name, _) in object where !members.contains(name) {
            throw complaint("the member \"\(name.prefix(64))\" is not known; expected some of \(members.sorted().joined(separator: ", "))")
        }
        let (entrypoint, isShell) = try entrypoint(value["entrypoint"])
        var resources = Resources()
        for (member, name) in [("cpus", Resources.cpu), ("gpus", Resources.gpu), ("memory", Resources.memory)] where !value[member].isNull {
            resources[name] = try amount(value[member], member)
        }
        if !value["resources"].isNull {
            guard let amounts = value["resources"].object else { throw complaint("resources: expected an object of amounts, found \(value["resources"].kind)") }
            for (name, value) in amounts {
                if let complaint = Resources.complaint(aboutCustomName: name) { throw self.complaint("resources: \(complaint)") }
                resources[name] = try amount(value, "resources.\(name)")
            }
        }
        let id = try text(value["id"], "id")
        if let complaint = id.flatMap(SubmissionSpecification.complaint(aboutID:)) { throw self.complaint(complaint) }
        return SubmissionSpecification(
            id: id ?? "", entrypoint: entrypoint, isShell: isShell, environment: try texts(value["environment"], "environment"),
            directory: try text(value["directory"], "directory"), resources: resources, metadata: try texts(value["metadata"], "metadata"))
    }

    private static func entrypoint(_ value: JSONValue) throws(MantaError) -> ([String], isShell: Bool) {
        if let text = value.string { return ([text], true) }
        guard let elements = value.array, !elements.isEmpty else {
            throw complaint("entrypoint: expected a text for a shell, or an array of a program and its arguments, found \(value.kind)")
        }
        var words: [String] = []
        for element in elements {
            guard let word = element.string else { throw complaint("entrypoint: expected an array of texts, found \(element.kind) in it") }
            words.append(word)
        }
        return (words, false)
    }

    private static func amount(_ value: JSONValue, _ member: String) throws(MantaError) -> ResourceAmount {
        guard let number = value.double, number.isFinite, number >= 0, number <= 9e14 else {
            throw complaint("\(member.prefix(64)): expected a number of 0 or more, found \(value)")
        }
        return ResourceAmount(number)
    }

    private static func text(_ value: JSONValue, _ member: String) throws(MantaError) -> String? {
        if value.isNull { return nil }
        guard let text = value.string else { throw complaint("\(member): expected a text, found \(value.kind)") }
        return text
    }

    private static func texts(_ value: JSONValue, _ member: String) throws(MantaError) -> [String: String] {
        if value.isNull { return [:] }
        guard let object = value.object else { throw complaint("\(member): expected an object of texts, found \(value.kind)") }
        var result: [String: String] = [:]
        for (name, value) in object {
            guard let text = value.string else { throw complaint("\(member).\(name.prefix(64)): expected a text, found \(value.kind)") }
            result[name] = text
        }
        return result
    }

    private static func complaint(_ text: String) -> MantaError { MantaError(.invalidArgument, text) }
}
