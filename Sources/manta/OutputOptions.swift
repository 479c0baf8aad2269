// OutputOptions: what every command that prints takes: a table for people, or JSON for programs.

import ArgumentParser
import Glibc
import MantaJSON

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table, json
}

struct OutputOptions: ParsableArguments {
    @Option(name: [.short, .long], help: "table, or json: one document on standard output.") var output: OutputFormat = .table

    /// Prints a value as JSON, or the text.
    func write(_ value: JSONValue, text: () -> String) {
        print(output == .json ? "\(value)" : text())
        fflush(nil)  // whoever reads through a pipe sees it now, also when the command goes on
    }
}
