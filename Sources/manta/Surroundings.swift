// Surroundings: what a command reads of where it was called: variables and the working folder.

import Foundation
import Manta

/// The variable's value; nil when it is not set or empty.
func environment(_ name: String) -> String? {
    guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else { return nil }
    return value
}

func absolutePath(_ path: String) -> String {
    path.hasPrefix("/") ? path : "\(FileManager.default.currentDirectoryPath)/\(path)"
}

/// The port of a head's endpoint.
func headPort(of endpoint: String) -> UInt16? { port(of: endpoint) }
