// Disk: the thread that reads and writes spilled objects, so that the node's loop waits for no file.
//
// Owns the spill folder; what it is asked is done in order. Nothing runs and nothing is on disk before the first request.

import MantaLoop

/// Confined to the node's loop.
final class Disk {
    /// `@unchecked Sendable`: reached on the disk's thread only, and by `close` when that has ended.
    private final class Files: @unchecked Sendable {
        let folder: SpillFolder
        init(_ folder: SpillFolder) { self.folder = folder }
    }
    private let files: Files
    private var thread: EventLoop?

    /// - Parameter folder: where files are put.
    init(_ folder: String) { files = Files(SpillFolder(path: folder)) }

    func execute(_ body: @escaping @Sendable (SpillFolder) -> Void) {
        let files = files
        started().execute { body(files.folder) }
    }

    private func started() -> EventLoop {
        if let thread { return thread }
        let new = EventLoop(name: "manta-spill")
        new.start()
        thread = new
        return new
    }

    /// Ends the thread, when it has done what it was asked, and removes every file.
    func close() {
        guard let thread else { return }
        thread.stop()
        thread.join()
        files.folder.remove()
        self.thread = nil
    }
}
