// HeadConfiguration: what a head must be told. A plain value; who reads the environment decides what is in it.

package import MantaCore
import MantaModel

/// A head's settings.
package struct HeadConfiguration: Sendable {
    /// Where it listens: `tcp://HOST:PORT`; port 0 takes a free one.
    package var endpoint: String
    /// The folder of its store; made when it is not there.
    package var directory: String
    /// For people, in the log.
    package var clusterName: String?
    /// When silent nodes are suspect and dead.
    package var timing = Membership.Timing()
    /// Actors that need more than any node has fail after a while, instead of waiting for such a node.
    package var failsInfeasible = false

    package init(endpoint: String = "tcp://127.0.0.1:6380", directory: String, clusterName: String? = nil) {
        (self.endpoint, self.directory, self.clusterName) = (endpoint, directory, clusterName)
    }
}
