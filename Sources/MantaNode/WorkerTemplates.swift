// WorkerTemplates: the templates of the programs whose workers this node starts again and again: see ProcessTemplate.
//
// Life of a template: 1. several workers of its program were started: there may be more 2. it loads the program, and meanwhile workers are started from
// the file 3. ready: it forks them 4. ended, when it was not needed for a while, when others are needed more, or when it failed, after which its program gets no
// other one. A template is of one version of one file and one environment: a program that was built anew gets a new one.

import Glibc
import MantaLoop
import MantaModel

/// Confined to the node's loop.
final class WorkerTemplates {
    private struct Key: Hashable {
        var program: Program
        /// Which file, and when it was written.
        var file: [Int]
    }

    private struct Entry {
        /// Of its program, here.
        var starts = 0
        var template: ProcessTemplate?
        /// It cannot be had, or failed.
        var isRefused = false
        var lastUse: Instant
    }

    private let loop: EventLoop
    private var entries: [Key: Entry] = [:]
    /// Programs that are remembered; a template is a process with the memory of an idle worker.
    private static let limit = 16
    /// So many workers are started from the file: most programs need no more, and no template.
    private static let startsBefore = 4
    private static let patience = Duration.seconds(300)

    init(loop: EventLoop) { self.loop = loop }

    /// A worker that the program's template forked; nil when there is none: the caller starts it from the file.
    func fork(
        _ program: Program, _ executable: String, adding variables: [String: String], output: Int32, error: Int32, inherited: Int32?
    ) -> Int32? {
        guard let file = Self.identity(of: executable) else { return nil }
        let key = Key(program: program, file: file)
        if entries[key] == nil { makeRoom() }
        entries[key, default: Entry(lastUse: loop.now)].starts += 1
        entries[key]!.lastUse = loop.now
        if let template = entries[key]!.template, template.isReady {
            return try? template.fork(adding: variables, output: output, error: error, inherited: inherited)
        }
        if entries[key]!.starts > Self.startsBefore, entries[key]!.template == nil, !entries[key]!.isRefused { begin(key, executable) }
        return nil
    }

    /// Ends what was not used for long.
    func endIdle(now: Instant) { entries = entries.filter { now - $0.value.lastUse < Self.patience } }

    private func begin(_ key: Key, _ executable: String) {
        let environment = ProcessEnvironment.current(adding: key.program.environment)
        do throws(MantaError) {
            let template = try ProcessTemplate(path: executable, arguments: [key.program.path], environment: environment)
            let pid = template.pid
            _ = try loop.watchProcess(pid) { [weak self] in
                _ = reap(pid)
                self?.ended(key, pid)
            }
            entries[key]!.template = template
        } catch {
            entries[key]!.isRefused = true
        }
    }

    private func ended(_ key: Key, _ pid: Int32) {
        guard entries[key]?.template?.pid == pid else { return }
        entries[key]!.template = nil
        entries[key]!.isRefused = true
    }

    private func makeRoom() {
        guard entries.count >= Self.limit, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse })?.key else { return }
        entries[oldest] = nil
    }

    private static func identity(of path: String) -> [Int]? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return [Int(status.st_dev), Int(status.st_ino), Int(status.st_size), status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
    }
}
