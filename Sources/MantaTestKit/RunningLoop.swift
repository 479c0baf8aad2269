// RunningLoop: an event loop on a thread of its own for the length of a test.

package import MantaLoop

/// Runs a loop; it is stopped, and its thread has ended, when this goes.
package final class RunningLoop: Sendable {
    package let loop: EventLoop

    package init(_ name: String = "test") {
        loop = EventLoop(name: name)
        loop.start()
    }

    deinit {
        loop.stop()
        if !loop.isCurrent { loop.join() }
    }
}
