// RunningNote: this worker's note of the task that it began last, in a page that its node can read after this process has died.

import CSystem
import Glibc
import MantaLoop
import MantaModel
import Synchronization

final class RunningNote: Sendable {
    /// The page of this process; nil where no node gave it one.
    static let current = RunningNote()

    /// `@unchecked Sendable`: written under the lock only.
    private struct Page: @unchecked Sendable { let address: UnsafeMutableRawPointer }
    private let page: Mutex<Page>

    private init?() {
        guard let descriptor = ProcessEnvironment["MANTA_NOTE_FD"].flatMap({ Int32($0) }), let address = manta_note_map(descriptor) else { return nil }
        close(descriptor)
        page = Mutex(Page(address: address))
    }

    /// A task begins.
    func began(_ task: TaskID, _ function: String) {
        var function = function
        function.withUTF8 { text in
            page.withLock { manta_note_write($0.address, task.high, task.low, text.baseAddress, text.count) }
        }
    }
}
