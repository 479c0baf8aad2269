// ProgramStore: the executables that a node's workers are started from, one file for each content, so that a program that is built anew, moved or removed
// while its job runs goes on as it was.
//
// While what lies at a program's path has its hash, workers are started from there, and the file gets a second name in the store's folder; then from that
// one; else the program is fetched from a process that runs it, part by part. Nothing is started that does not have the hash it is known by. The
// folder (0700) is of one user, whose nodes may share it; what was used least recently goes when it is full. A program without a hash is started from its path.

import Glibc
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

/// Confined to the node's loop.
final class ProgramStore {
    typealias Done = (Result<String, MantaError>) -> Void

    private let folder: String
    private let notes: String
    private let limit: Int
    /// Bytes of each program that is here, and when it was used last.
    private var programs: [String: (bytes: Int, used: UInt64)] = [:]
    private var uses: UInt64 = 0
    /// Who waits for a program that is on its way.
    private var waiting: [String: [Done]] = [:]

    init(folder: String, notes: String, limit: Int = Limits.programStoreBytes) { (self.folder, self.notes, self.limit) = (folder, notes, limit) }

    /// Calls back with the file to start, now or when it has come.
    ///
    /// - Parameter source: a process that runs the program; asked when it is nowhere on this machine.
    func prepare(_ program: Program, from source: @autoclosure () -> Link?, _ done: @escaping Done) {
        guard let hash = program.hash else { return done(.success(program.path)) }
        do throws(MantaError) {
            if let path = try found(hash, at: program.path) { return done(.success(path)) }
        } catch { return done(.failure(error)) }
        waiting[hash, default: []].append(done)
        guard waiting[hash]!.count == 1 else { return }
        guard let source = source() else {
            return finish(hash, .failure(MantaError(.notFound, "the program \(program.path) is not on this node in the version \(hash.prefix(8)), and no process that runs it can be reached")))
        }
        do throws(MantaError) {
            try make()
            let draft = "\(path(of: hash)).\(getpid())"
            let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o700)
            guard descriptor >= 0 else { throw failure("written", draft) }
            fetch(hash, from: source, into: descriptor, draft, offset: 0)
        } catch { finish(hash, .failure(error)) }
    }

    private func path(of hash: String) -> String { "\(folder)/\(hash)" }

    private func failure(_ what: String, _ path: String) -> MantaError {
        MantaError(.system, "the program file \(path) cannot be \(what): \(String(cString: strerror(errno)))")
    }

    private func make() throws(MantaError) {
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else { throw failure("kept", folder) }
    }

    // MARK: What is here

    /// The file of a program that lies at its path, or is here already.
    private func found(_ hash: String, at original: String) throws(MantaError) -> String? {
        let kept = path(of: hash)
        if (try? ExecutableFile.hash(of: original, notes: notes)) == hash {
            try make()
            // A second name keeps the file when the first one gets another. On another file system there is none; then a process that runs it has it still.
            if link(original, kept) == 0 || errno == EEXIST { used(hash) }
            return original
        }
        guard access(kept, X_OK) == 0 else { return nil }
        guard (try? ExecutableFile.hash(of: kept, notes: notes)) == hash else {
            unlink(kept)
            return nil
        }
        used(hash)
        return kept
    }

    // MARK: What must come

    private func fetch(_ hash: String, from source: Link, into descriptor: Int32, _ draft: String, offset: Int) {
        source.request(FetchProgram(hash: hash, offset: offset)) { [self] result in
            do throws(MantaError) {
                let part = try result.get()
                guard part.size <= limit else {
                    throw MantaError(.tooLarge, "the program \(hash.prefix(8)) has \(DeathCause.byteText(Int64(part.size))); this node keeps \(DeathCause.byteText(Int64(limit))) of programs")
                }
                guard !part.bytes.isEmpty || offset == part.size else { throw MantaError(.malformed, "the program \(hash.prefix(8)) ended at byte \(offset) of \(part.size)") }
                guard pwrite(descriptor, part.bytes, part.bytes.count, off_t(offset)) == part.bytes.count else { throw failure("written", draft) }
                let next = offset + part.bytes.count
                if next < part.size { return fetch(hash, from: source, into: descriptor, draft, offset: next) }
                close(descriptor)
                try arrived(hash, draft)
                finish(hash, .success(path(of: hash)))
            } catch {
                close(descriptor)
                unlink(draft)
                finish(hash, .failure(error))
            }
        }
    }

    private func arrived(_ hash: String, _ draft: String) throws(MantaError) {
        let actual = try ExecutableFile.hash(of: draft, notes: notes)
        guard actual == hash else { throw MantaError(.malformed, "the program that came has the hash \(actual); expected \(hash)") }
        guard rename(draft, path(of: hash)) == 0 else { throw failure("kept", path(of: hash)) }
        used(hash)
    }

    private func finish(_ hash: String, _ result: Result<String, MantaError>) {
        for done in waiting.removeValue(forKey: hash) ?? [] { done(result) }
    }

    // MARK: Room

    /// The program is used now. What is over the limit goes, the least recently used first; who runs keeps the file that it runs.
    private func used(_ hash: String) {
        uses += 1
        if programs.isEmpty { takeStock() }
        programs[hash] = (size(of: hash), uses)
        var total = programs.values.reduce(0) { $0 + $1.bytes }
        for (old, program) in programs.sorted(by: { $0.value.used < $1.value.used }) where total > limit && old != hash {
            unlink(path(of: old))
            programs[old] = nil
            total -= program.bytes
        }
    }

    /// What an earlier node left in the folder.
    private func takeStock() {
        for name in ExecutableFile.names(in: folder) {
            let parts = name.split(separator: ".")
            if parts.count == 1 {
                programs[name] = (size(of: name), 0)
            } else if let pid = Int32(parts[1]), kill(pid, 0) != 0 {
                unlink("\(folder)/\(name)")
            }
        }
    }

    private func size(of hash: String) -> Int {
        var status = stat()
        return stat(path(of: hash), &status) == 0 ? Int(status.st_size) : 0
    }
}
