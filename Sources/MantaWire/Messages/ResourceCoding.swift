// How resources travel inside messages that are on the way of every task: without Codable.

import MantaModel

extension MessagePackWriter {
    /// A map of names to ten-thousandths.
    mutating func write(_ resources: Resources) {
        writeMapHeader(resources.amounts.count)
        for (name, amount) in resources.amounts {
            write(name)
            write(amount.units)
        }
    }
}

extension MessagePackReader {
    mutating func readResources() throws(MantaError) -> Resources {
        var resources = Resources()
        for _ in 0..<(try readMapHeader()) {
            let name = try readString()
            resources[name] = ResourceAmount(units: try readInt64())
        }
        return resources
    }
}
