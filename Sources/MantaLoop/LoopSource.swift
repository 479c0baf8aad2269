// LoopSource: what takes part in every turn of a loop: ZeroMQ sockets and libmicrohttpd, whose readiness a descriptor alone does not tell.

/// Hooks into a loop's turn; all are called on its thread.
package protocol LoopSource: AnyObject {
    /// Before the loop may sleep, after every flush. True: there is something to do now, so the loop does not sleep.
    func prepare() -> Bool
    /// The last moment before a sleep: who is woken by other means than a descriptor announces it here. False: something has come; the loop does not sleep.
    func announceSleep() -> Bool
    /// Whether something has come that no descriptor tells; looked at while the loop spins.
    var hasNews: Bool { get }
    /// Whether several things came at once lately: the loop then does not spin, since sleeping lets more gather.
    var isBusy: Bool { get }
    /// After the wait, descriptors' handlers and timers.
    func turn()
    /// At the end of a turn: send what it produced.
    func flush()
    /// The longest the loop may sleep; nil: no limit. Asked only before a sleep.
    func timeout() -> Duration?
}

extension LoopSource {
    package func prepare() -> Bool { false }
    package func announceSleep() -> Bool { true }
    package var hasNews: Bool { false }
    package var isBusy: Bool { false }
    package func flush() {}
    package func timeout() -> Duration? { nil }
}
