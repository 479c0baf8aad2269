// WorkerOutputs: what workers print, read from their files as it grows, so that it can be shown at the driver.
//
// A file is told of once (inotify, one shot), then read after `Limits.outputPeriod` and told of again: a worker that prints all the time costs the node a
// few reads a second. Of a worker that prints faster than its share, the newest is read and the rest counted; the file keeps everything.

import Glibc
import MantaLoop
import MantaModel

/// Confined to the node's loop.
final class WorkerOutputs {
    /// What one file gained.
    struct Gain {
        var worker: ProcessID
        /// What the worker ran when it began to print.
        var source: String?
        var isError: Bool
        var lines: [String]
        /// Bytes that were passed over.
        var skipped: Int
    }

    private struct File {
        let file: OutputFile
        let isError: Bool
        var worker: ProcessID
        /// To name the file after its worker.
        var files: WorkerFiles
        var offset: Int64 = 0
        /// A last line without its end.
        var rest: [UInt8] = []
        var watch: Int32 = -1
        var isDue = false
        var source: String?
    }

    private let loop: EventLoop
    private let notifier: Int32
    /// By their descriptors.
    private var files: [Int32: File] = [:]
    private var watches: [Int32: Int32] = [:]
    private var isReadScheduled = false
    /// What a worker runs now, for people.
    var running: (ProcessID) -> String? = { _ in nil }
    /// Called with every gain.
    var gained: (Gain) -> Void = { _ in }

    /// Read from one file at once.
    private static let share = 64 * 1024
    /// A line without an end is cut here.
    private static let lineBytes = 8 * 1024

    init(loop: EventLoop) {
        self.loop = loop
        notifier = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
    }

    /// Begins to listen; called on the loop.
    func start() {
        guard notifier >= 0 else { return }
        // Without it, output is read when its worker ends.
        _ = try? loop.addDescriptor(notifier, .read) { [unowned self] _ in notified() }
    }

    func follow(_ worker: WorkerProcess) {
        for (file, isError) in [(worker.files.output, false), (worker.files.errors, true)] {
            if files[file.descriptor]?.file === file {
                // Of a worker that printed nothing: it is watched.
                files[file.descriptor]!.worker = worker.id
                files[file.descriptor]!.files = worker.files
                continue
            }
            files[file.descriptor] = File(file: file, isError: isError, worker: worker.id, files: worker.files)
            watch(file.descriptor)
        }
    }

    /// The worker has ended: takes what is left.
    func ended(_ worker: WorkerProcess) {
        read(worker.files.output.descriptor, isLast: true)
        read(worker.files.errors.descriptor, isLast: true)
    }

    /// Lets go of files that no worker writes to any more.
    func forget(_ gone: WorkerFiles) {
        for descriptor in [gone.output.descriptor, gone.errors.descriptor] {
            guard let file = files.removeValue(forKey: descriptor) else { continue }
            if watches.removeValue(forKey: file.watch) != nil { inotify_rm_watch(notifier, file.watch) }
        }
    }

    private func watch(_ descriptor: Int32) {
        guard notifier >= 0, let path = files[descriptor]?.file.path else { return }
        let watch = inotify_add_watch(notifier, path, UInt32(IN_MODIFY) | UInt32(IN_ONESHOT))
        guard watch >= 0 else { return }
        files[descriptor]?.watch = watch
        watches[watch] = descriptor
    }

    private func notified() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = Glibc.read(notifier, &buffer, buffer.count)
            guard count > 0 else { break }
            var offset = 0
            while offset + MemoryLayout<inotify_event>.size <= count {
                let event = buffer.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: inotify_event.self) }
                offset += MemoryLayout<inotify_event>.size + Int(event.len)
                guard event.mask & UInt32(IN_MODIFY) != 0, let descriptor = watches.removeValue(forKey: event.wd) else { continue }
                guard let file = files[descriptor] else { continue }
                file.files.settle()
                files[descriptor]!.isDue = true
                files[descriptor]!.source = running(file.worker)
            }
        }
        guard !isReadScheduled else { return }
        isReadScheduled = true
        loop.schedule(after: Limits.outputPeriod) { [weak self] in self?.readDue() }
    }

    private func readDue() {
        isReadScheduled = false
        for descriptor in files.filter({ $0.value.isDue }).keys.sorted() {
            files[descriptor]?.isDue = false
            // Watched first: what is written behind the reading is told of.
            watch(descriptor)
            read(descriptor, isLast: false)
        }
    }

    private func read(_ descriptor: Int32, isLast: Bool) {
        guard var file = files[descriptor] else { return }
        let end = file.file.size
        // Nothing was ever written.
        if end == 0 { return }
        let start = max(file.offset, Int64(end) - Int64(Self.share))
        let skipped = Int(start - file.offset)
        if skipped > 0 { file.rest = [] }
        var bytes = [UInt8](repeating: 0, count: Int(max(0, Int64(end) - start)))
        let count = bytes.isEmpty ? 0 : pread(descriptor, &bytes, bytes.count, off_t(start))
        file.offset = start + Int64(max(0, count))
        file.rest += bytes.prefix(max(0, count))
        var pieces = file.rest.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let tail = pieces.removeLast()
        if isLast || tail.count > Self.lineBytes {
            if !tail.isEmpty { pieces.append(tail) }
            file.rest = []
        } else {
            file.rest = Array(tail)
        }
        files[descriptor] = file
        let lines = pieces.map { String(decoding: $0.prefix(Self.lineBytes), as: UTF8.self) }
        if !lines.isEmpty || skipped > 0 { gained(Gain(worker: file.worker, source: file.source, isError: file.isError, lines: lines, skipped: skipped)) }
    }
}
