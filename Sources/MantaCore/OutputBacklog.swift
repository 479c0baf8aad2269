// OutputBacklog: what waits to be written to a terminal that may be stopped: bounded, and what did not fit is counted and told.
//
// Always: lines leave whole and in their order; behind lines that were left out, and before whatever comes next, their number is told.

package struct OutputBacklog: Sendable {
    private let limit: Int
    private var waiting = 0
    private var omitted = 0

    /// - Parameter limit: bytes that may wait.
    package init(limit: Int) { self.limit = limit }

    /// The bytes to write for a line; nil when there is no room, and the line is left out.
    package mutating func add(_ line: String) -> [UInt8]? {
        let bytes = Array("\(notice)\(line)\n".utf8)
        guard waiting + bytes.count <= limit else {
            omitted += 1
            return nil
        }
        (waiting, omitted) = (waiting + bytes.count, 0)
        return bytes
    }

    /// The bytes that tell of lines left out, once there is room again; nil when there is nothing to tell. Call it about every second.
    package mutating func tick() -> [UInt8]? {
        let bytes = Array(notice.utf8)
        guard omitted > 0, waiting + bytes.count <= limit else { return nil }
        (waiting, omitted) = (waiting + bytes.count, 0)
        return bytes
    }

    /// So many bytes wait no longer.
    package mutating func written(_ count: Int) { waiting -= count }

    private var notice: String {
        omitted == 0 ? "" : "(manta) \(omitted) lines left out here: standard error took none while \(limit >> 10) KiB waited for it\n"
    }
}
