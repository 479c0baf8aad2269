// What programs and environments say of nodes and processes before anything is started: what cannot be is refused with the name of what is wrong.

import MantaModel
import Testing

@testable import Manta

@Suite struct SettingsTests {
    private func refusal(_ body: () throws(MantaError) -> Void) -> MantaError? { #expect(throws: MantaError.self) { try body() } }

    @Test func aValueOfTheEnvironmentThatCannotBeIsNamed() throws {
        let usual = try ProgramSettings { _ in nil }
        #expect(usual.taskRetries == 3 && usual.memoryRetries == nil && usual.streamItems == Limits.streamItems && usual.logToDriver == .everything)
        let said = try ProgramSettings { [Variable.taskRetries: "-1", Variable.memoryRetries: "0", Variable.lineageBytes: "7", Variable.logToDriver: "0"][$0] }
        #expect(said.taskRetries == -1 && said.memoryRetries == 0 && said.lineageBytes == 7 && said.logToDriver == .nothing)
        let wrong = [
            (Variable.taskRetries, "abc"), (Variable.taskRetries, "-2"), (Variable.lineageBytes, "1G"), (Variable.memoryRetries, ""), (Variable.streamItems, "0"),
            (Variable.streamItems, "\(Limits.streamItems + 1)"), (Variable.logToDriver, "yes"),
        ]
        for (name, text) in wrong {
            let error = refusal { () throws(MantaError) in _ = try ProgramSettings { $0 == name ? text : nil } }
            #expect(error?.code == .invalidArgument && error?.message.contains("\(name) is \"\(text)\"") == true, "\(String(describing: error))")
        }
    }

    @Test func aClusterThatRunsTakesNoSettingsOfANode() throws {
        try NodeSettings(resources: [:], labels: [:]).requireNone(becauseOf: "tcp://h:1")
        let error = refusal { () throws(MantaError) in
            try NodeSettings(cpus: 2, resources: ["disk": 1], labels: [:], spillDirectory: "off").requireNone(becauseOf: "tcp://h:1")
        }
        #expect(error?.code == .invalidArgument && error?.message.hasPrefix("cpus, resources, spillDirectory say") == true, "\(String(describing: error))")
        #expect(error?.message.contains("MANTA_ADDRESS names one that runs, tcp://h:1") == true)
    }

    @Test func settingsOfANodeBecomeItsEnvironment() throws {
        let settings = NodeSettings(
            cpus: 1.5, gpus: 2, memory: 4096, resources: ["disk": 2], labels: ["zone": "a=b"], storeMemory: 1 << 30, workerMemory: 1 << 20, spillDirectory: "/spill",
            spillLimit: 5)
        let variables = try settings.variables()
        #expect(variables["MANTA_CPUS"] == "1.5" && variables["MANTA_GPUS"] == "2.0" && variables["MANTA_MEMORY"] == "4096")
        #expect(variables["MANTA_SPILL_LIMIT"] == "5")
        #expect(try parseResources(variables["MANTA_RESOURCES"] ?? "") == ["disk": 2])
        #expect(try parseLabels(variables["MANTA_LABELS"] ?? "") == ["zone": "a=b"])
        #expect(try NodeSettings(resources: [:], labels: [:]).variables()["MANTA_CPUS"] == nil)
    }

    @Test func settingsOfANodeThatCannotBeAreNamed() {
        let cases: [(NodeSettings, String)] = [
            (NodeSettings(resources: ["a,b": 1], labels: [:]), "a,b"), (NodeSettings(resources: ["a=b": 1], labels: [:]), "a=b"),
            (NodeSettings(resources: ["CPU": 1], labels: [:]), "use the parameter cpus"), (NodeSettings(resources: ["bundle:x": 1], labels: [:]), "bundle:"),
            (NodeSettings(cpus: -1, resources: [:], labels: [:]), "\"CPU\" is -1"), (NodeSettings(gpus: 1.5, resources: [:], labels: [:]), "whole number"),
            (NodeSettings(resources: [:], labels: ["": "x"]), "empty name"), (NodeSettings(resources: [:], labels: ["a": "x,y"]), "comma"),
            (NodeSettings(resources: [:], labels: ["manta/node": "x"]), "manta/"), (NodeSettings(resources: [:], labels: [:], storeMemory: 5), "object store"),
            (NodeSettings(resources: [:], labels: [:], workerMemory: 0), "workerMemory"), (NodeSettings(resources: [:], labels: [:], spillDirectory: "x"), "spillDirectory"),
            (NodeSettings(resources: [:], labels: [:], spillLimit: -1), "spillLimit is -1"),
        ]
        for (settings, part) in cases {
            let error = refusal { () throws(MantaError) in _ = try settings.variables() }
            #expect(error?.code == .invalidArgument && error?.message.contains(part) == true, "\(part): \(String(describing: error))")
        }
    }

    @Test(arguments: ["CPU=1", "GPU=0", "memory=5", "disk", "disk=-1", "disk=x", "bundle:a=1"]) func textsOfResourcesThatCannotBeAreRefused(text: String) {
        #expect(refusal { () throws(MantaError) in _ = try parseResources(text) }?.code == .invalidArgument)
    }

    @Test(arguments: ["zone", "=a", "manta/host=me"]) func textsOfLabelsThatCannotBeAreRefused(text: String) {
        #expect(refusal { () throws(MantaError) in _ = try parseLabels(text) }?.code == .invalidArgument)
    }
}
