// ProcessEnvironment: this process's variables, and the environments made from them for its children.

import CSystem
import Glibc

package enum ProcessEnvironment {
    package static subscript(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// `NAME=VALUE` lines: the present environment, with `added` in place of variables of the same name.
    package static func current(adding added: [String: String]) -> [String] {
        var lines: [String] = []
        var entry = manta_environment()
        while let line = entry?.pointee {
            let text = String(cString: line)
            let name = text.prefix { $0 != "=" }
            if added[String(name)] == nil { lines.append(text) }
            entry = entry?.advanced(by: 1)
        }
        return lines + added.map { "\($0.key)=\($0.value)" }.sorted()
    }
}
