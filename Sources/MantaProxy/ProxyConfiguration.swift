// ProxyConfiguration: where a proxy listens, which head it asks for its tables, and where it keeps their last state.

/// How a proxy is run.
package struct ProxyConfiguration: Sendable {
    /// The head's endpoint, `tcp://host:port`.
    package var head: String
    /// The address it serves on.
    package var host: String
    /// The port it serves on; 0 lets the system choose.
    package var port: UInt16
    /// Where the last tables are kept, so that it can serve before the head is there.
    package var directory: String
    /// Where sockets are made.
    package var runtimeDirectory: String
    /// Event loops that share the port, each with its own connections and its own share of the limits.
    package var loops: Int

    package init(head: String, host: String = "127.0.0.1", port: UInt16 = 8000, directory: String, runtimeDirectory: String, loops: Int = 1) {
        (self.head, self.host, self.port, self.directory) = (head, host, port, directory)
        (self.runtimeDirectory, self.loops) = (runtimeDirectory, loops)
    }
}
