// LoopBound: a value that belongs to a loop's thread, carried through code that runs elsewhere.

/// Hands its value out on the loop's thread only.
///
/// `@unchecked Sendable`: the value is reached on the loop alone, which is checked in every build.
package struct LoopBound<Value>: @unchecked Sendable {
    package let loop: EventLoop
    private let bound: Value

    package init(_ value: Value, on loop: EventLoop) { (bound, self.loop) = (value, loop) }

    package var value: Value {
        loop.checkIsolated()
        return bound
    }
}
