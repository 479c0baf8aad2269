// YAMLValue: a part of a YAML file that knows its place, so that whatever is wrong with it is said as `file:line: member: what was expected`.

import Foundation
import MantaModel
import Yams

struct YAMLValue {
    let file: String
    /// `backends[0].replicas`.
    let path: String
    private let node: Node
    private let line: Int

    /// Reads a whole file.
    init(file: String) throws(CommandFailure) {
        let text: String
        do { text = try String(contentsOfFile: file, encoding: .utf8) } catch {
            throw CommandFailure("cannot read \(file): \(FileManager.default.fileExists(atPath: file) ? "it is not readable as UTF-8 text" : "there is no such file")")
        }
        do {
            guard let node = try Yams.compose(yaml: text) else { throw CommandFailure("\(file):1: the file is empty") }
            self.init(file: file, path: "", node: node, line: node.mark?.line ?? 1)
        } catch let failure as CommandFailure {
            throw failure
        } catch let error as YamlError {
            throw CommandFailure("\(file):\(Self.complaint(error))")
        } catch {
            throw CommandFailure("\(file): \(error)")
        }
    }

    private init(file: String, path: String, node: Node, line: Int) { (self.file, self.path, self.node, self.line) = (file, path, node, line) }

    func failure(_ complaint: String) -> CommandFailure {
        CommandFailure("\(file):\(line): \(path.isEmpty ? "" : "\(path): ")\(complaint)")
    }

    /// The members by name; fails for a name that is not among the known ones.
    func members(known: [String]) throws(CommandFailure) -> [String: YAMLValue] {
        guard case .mapping(let mapping) = node else { throw failure("expected a mapping with \(known.joined(separator: ", ")), found \(kind)") }
        var members: [String: YAMLValue] = [:]
        for (key, value) in mapping {
            let name = key.string ?? "?"
            let member = YAMLValue(file: file, path: path.isEmpty ? name : "\(path).\(name)", node: value, line: key.mark?.line ?? line)
            guard known.contains(name) else { throw member.failure("unknown; expected one of \(known.joined(separator: ", "))") }
            members[name] = member
        }
        return members
    }

    /// The members of a mapping whose names are the user's own, in the order written.
    var namedMembers: [(name: String, value: YAMLValue)] {
        get throws(CommandFailure) {
            guard case .mapping(let mapping) = node else { throw failure("expected a mapping, found \(kind)") }
            return mapping.map { key, value in
                let name = key.string ?? "?"
                return (name, YAMLValue(file: file, path: path.isEmpty ? name : "\(path).\(name)", node: value, line: key.mark?.line ?? line))
            }
        }
    }

    var elements: [YAMLValue] {
        get throws(CommandFailure) {
            guard case .sequence(let sequence) = node else { throw failure("expected a list, found \(kind)") }
            return sequence.enumerated().map { index, value in
                YAMLValue(file: file, path: "\(path)[\(index)]", node: value, line: value.mark?.line ?? line)
            }
        }
    }

    var string: String {
        get throws(CommandFailure) {
            guard case .scalar(let scalar) = node, type != .null else { throw failure("expected a text, found \(kind)") }
            return scalar.string
        }
    }

    var integer: Int {
        get throws(CommandFailure) {
            guard type == .int, let value = node.int else { throw failure("expected a whole number, found \(kind)") }
            return value
        }
    }

    var number: Double {
        get throws(CommandFailure) {
            guard type == .int || type == .float, let value = node.float else { throw failure("expected a number, found \(kind)") }
            return value
        }
    }

    var bool: Bool {
        get throws(CommandFailure) {
            guard type == .bool, let value = node.bool else { throw failure("expected true or false, found \(kind)") }
            return value
        }
    }

    /// The value as it is, whatever its shape.
    var configuration: ConfigurationValue {
        get throws(CommandFailure) {
            switch node {
            case .mapping:
                var members: [String: ConfigurationValue] = [:]
                for (name, value) in try namedMembers { members[name] = try value.configuration }
                return .object(members)
            case .sequence:
                var values: [ConfigurationValue] = []
                for element in try elements { values.append(try element.configuration) }
                return .array(values)
            default:
                switch type {
                case .null: return .null
                case .bool: return .bool(try bool)
                case .int: return .integer(Int64(try integer))
                case .float: return .number(try number)
                default: return .string(try string)
                }
            }
        }
    }

    private var type: Tag.Name { Tag.Name(rawValue: node.tag.description) }

    private var kind: String {
        switch node {
        case .mapping: "a mapping"
        case .sequence: "a list"
        default: type == .null ? "nothing" : "\"\(node.string ?? "")\""
        }
    }

    /// `line: what`, from the parser's own error.
    private static func complaint(_ error: YamlError) -> String {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            "\(mark.line): \(problem)"
        case .duplicatedKeysInMapping(let duplicates, let context):
            "\(context.mark.line): \(duplicates.map(\.description).joined(separator: ", ")) stands twice in one mapping"
        default: "1: \(error)"
        }
    }
}
