// VersionCommand: `manta version`.

import ArgumentParser
import MantaJSON
import MantaWire

enum Version {
    static let number = "0.1.0"
    static var text: String { "manta \(number), protocol \(protocolVersion)" }
}

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Prints the version of this program and of the protocol it speaks.",
        discussion: "Processes of one cluster must speak the same version of the protocol.\n\nExample:\n  manta version --output json")

    @OptionGroup var output: OutputOptions

    func run() throws {
        output.write(["version": JSONValue(Version.number), "protocol": JSONValue(Int(protocolVersion))]) { Version.text }
    }
}
