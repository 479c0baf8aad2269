// ServeFile: a file of backends and endpoints as `manta serve deploy` reads it. Whatever is wrong with it is said by file and line, before anything is
// changed.

import Foundation
import Manta
import MantaModel
import MantaServe

enum ServeFile {
    static func read(_ path: String) throws(CommandFailure) -> ServeConfiguration {
        let members = try YAMLValue(file: path).members(known: ["backends", "endpoints"])
        var configuration = ServeConfiguration()
        for entry in try members["backends"]?.elements ?? [] { configuration.backends.append(try backend(entry)) }
        for entry in try members["endpoints"]?.elements ?? [] { configuration.endpoints.append(try endpoint(entry)) }
        return configuration
    }

    private static func backend(_ value: YAMLValue) throws(CommandFailure) -> ServeConfiguration.BackendEntry {
        let members = try value.members(known: [
            "name", "type", "program", "version", "replicas", "maxConcurrent", "maxQueued", "configuration", "cpus", "gpus", "memory", "resources",
            "requestTimeout", "drainTime",
        ])
        var entry = ServeConfiguration.BackendEntry(name: try value.required("name", in: members).string, type: try value.required("type", in: members).string)
        let program = try value.required("program", in: members)
        entry.program = try executable(program)
        entry.version = try members["version"]?.string
        entry.replicas = try members["replicas"]?.integer
        entry.maxConcurrent = try members["maxConcurrent"]?.integer
        entry.maxQueued = try members["maxQueued"]?.integer
        entry.configuration = try members["configuration"]?.configuration
        entry.cpus = try members["cpus"]?.number
        entry.gpus = try members["gpus"]?.number
        entry.memory = try members["memory"]?.integer
        entry.resources = try members["resources"]?.numbers
        entry.requestTimeout = try members["requestTimeout"]?.number
        entry.drainTime = try members["drainTime"]?.number
        return entry
    }

    private static func endpoint(_ value: YAMLValue) throws(CommandFailure) -> ServeConfiguration.EndpointEntry {
        let members = try value.members(known: ["name", "route", "methods", "backend", "traffic", "shadows"])
        var entry = ServeConfiguration.EndpointEntry(name: try value.required("name", in: members).string, route: try members["route"]?.string)
        if let names = try members["methods"]?.elements {
            var methods: [RequestMethod] = []
            for name in names {
                guard let method = RequestMethod(rawValue: try name.string.uppercased()) else {
                    throw name.failure("expected one of \(RequestMethod.allCases.map(\.rawValue).joined(separator: ", ")), found \"\(try name.string)\"")
                }
                methods.append(method)
            }
            entry.methods = methods
        }
        entry.backend = try members["backend"]?.string
        entry.traffic = try members["traffic"]?.numbers
        entry.shadows = try members["shadows"]?.numbers
        return entry
    }

    /// A bare name is a program beside this one; any other path counts from the working folder.
    private static func executable(_ value: YAMLValue) throws(CommandFailure) -> String {
        let name = try value.string
        var path = absolutePath(name)
        if !name.contains("/"), let own = try? Session.executable() {
            path = URL(filePath: own).deletingLastPathComponent().appending(path: name).path
        }
        guard FileManager.default.isExecutableFile(atPath: path) else { throw value.failure("there is no program \(path); build it, or correct the path") }
        return path
    }
}

extension YAMLValue {
    func required(_ name: String, in members: [String: YAMLValue]) throws(CommandFailure) -> YAMLValue {
        guard let member = members[name] else { throw failure("\(name) is missing") }
        return member
    }

    /// A mapping from names to numbers.
    var numbers: [String: Double] {
        get throws(CommandFailure) {
            var result: [String: Double] = [:]
            for (name, value) in try namedMembers { result[name] = try value.number }
            return result
        }
    }
}
