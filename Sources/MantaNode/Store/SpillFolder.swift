// SpillFolder: objects on disk: several in a file, each behind a header that says what it is and its checksum.
//
// | offset | holds, little-endian |
// | --- | --- |
// | 0 | "MANTASPL" |
// | 8 | the object: task identifier (two 64-bit halves), index (32 bits) |
// | 28 | CRC-32C of the bytes |
// | 32 | how many bytes follow the header |
// | 40 | zeros, to 64 |
//
// Owns the folder and every file in it; used on one thread. What always holds: a file is written whole before its objects leave memory, and what is read
// back has been checked.

import CSystem
import Glibc
import MantaCore
import MantaLoop
import MantaMemory
import MantaModel

final class SpillFolder {
    let path: String
    /// Held from the first file on: a folder whose lock nobody holds was left behind.
    private var lock: PathLock?
    private static let magic: [UInt8] = Array("MANTASPL".utf8)

    init(path: String) { self.path = path }

    private func file(_ number: UInt64) -> String { "\(path)/\(number).spill" }

    /// Makes the folders above it, where they lack.
    /// - Throws: `system` when one of them cannot be made or nothing can be written there.
    static func prepareParent(of path: String) throws(MantaError) {
        let parent = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
        var made = ""
        for part in parent.split(separator: "/") {
            made += "/\(part)"
            if mkdir(made, 0o700) != 0, errno != EEXIST, errno != EROFS, errno != EACCES { throw cannotBeMade(made) }
        }
        guard access(parent, W_OK | X_OK) == 0 else { throw cannotBeMade(parent) }
    }

    private static func cannotBeMade(_ path: String) -> MantaError {
        let reason = String(cString: strerror(errno))
        return MantaError(.system, "the folder \(path) for spilled objects cannot be made or written: \(reason); choose another (--spill-directory), or off to keep objects in memory")
    }

    /// Makes the folder, empty, unless that is done: what an earlier node left there is of no use to anyone.
    private func prepare() throws(MantaError) {
        guard lock == nil else { return }
        try Self.prepareParent(of: path)
        let lock = try PathLock(path)
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw Self.cannotBeMade(path) }
        removeFiles()
        self.lock = lock
    }

    /// How full its file system is.
    func usage() throws(MantaError) -> DiskUsage {
        try prepare()
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { throw MantaError(.system, "the file system of the folder \(path) says nothing of itself: \(text(errno))") }
        let block = Int(status.f_frsize)
        return DiskUsage(capacity: Int(status.f_blocks) * block, available: Int(status.f_bavail) * block)
    }

    /// Removes every file, and the folder.
    func remove() {
        guard lock != nil else { return }
        removeFiles()
        rmdir(path)
        lock = nil
    }

    private func removeFiles() {
        guard let directory = opendir(path) else { return }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) } }
            if name.hasSuffix(".spill") { unlink("\(path)/\(name)") }
        }
    }

    /// One that is gone already is as good as deleted.
    func delete(_ number: UInt64) { unlink(file(number)) }

    /// Writes the objects to a new file; when that fails there is none.
    func write(_ number: UInt64, _ parts: [StoreBook.SpilledPart], from store: StoreSegment) throws(MantaError) {
        try prepare()
        let path = file(number)
        let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw MantaError(.system, "cannot make \(path): \(text(errno))") }
        defer { close(descriptor) }
        do throws(MantaError) {
            for part in parts {
                let bytes = store.readable(part.extent)
                var failure = Self.header(part.object, checksum(of: bytes), bytes.count).withUnsafeBytes { Self.write($0, at: part.offset, to: descriptor) }
                if failure == 0 { failure = Self.write(bytes, at: part.offset + StoreBook.spillHeaderBytes, to: descriptor) }
                if failure != 0 { throw full(path, failure) }
            }
        } catch {
            unlink(path)
            throw error
        }
    }

    private static func header(_ id: ObjectID, _ checksum: UInt32, _ count: Int) -> [UInt8] {
        var header = magic
        func append(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { header.append(contentsOf: $0) } }
        append(id.task.high)
        append(id.task.low)
        append(id.index)
        append(checksum)
        append(UInt64(count))
        header.append(contentsOf: repeatElement(0, count: StoreBook.spillHeaderBytes - header.count))
        return header
    }

    /// Zero, or the error's number.
    private static func write(_ bytes: UnsafeRawBufferPointer, at offset: Int, to descriptor: Int32) -> Int32 {
        var done = 0
        while done < bytes.count {
            let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if count < 0 {
                if errno == EINTR { continue }
                return errno
            }
            done += count
        }
        return 0
    }

    private func full(_ path: String, _ failure: Int32) -> MantaError {
        MantaError(failure == ENOSPC || failure == EDQUOT ? .outOfDisk : .system, "objects cannot be written to disk at \(path): \(text(failure)); make room there or choose another folder (--spill-directory)")
    }

    // MARK: Reading

    /// Reads an object back into memory for exactly its bytes.
    func read(_ id: ObjectID, at place: SpillPlace, into target: UnsafeMutableRawBufferPointer) throws(MantaError) {
        try open(id, at: place) { file throws(MantaError) in
            guard file.read(into: target, from: 0) else { throw file.ended }
            try file.compare(with: checksum(of: UnsafeRawBufferPointer(target)), target.count)
        }
    }

    /// Whether all of an object on disk is right, without memory for it.
    func check(_ id: ObjectID, at place: SpillPlace, size: Int) throws(MantaError) {
        try open(id, at: place) { file throws(MantaError) in
            var (buffer, found) = ([UInt8](repeating: 0, count: min(size, Limits.partBytes)), UInt32(0))
            for offset in stride(from: 0, to: size, by: Limits.partBytes) {
                let count = min(Limits.partBytes, size - offset)
                let isRead = buffer.withUnsafeMutableBytes { bytes in
                    let part = UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
                    guard file.read(into: part, from: offset) else { return false }
                    found = manta_crc32c(found, part.baseAddress, count)
                    return true
                }
                guard isRead else { throw file.ended }
            }
            try file.compare(with: found, size)
        }
    }

    /// A part of an object that was checked.
    func part(of id: ObjectID, at place: SpillPlace, offset: Int, count: Int) throws(MantaError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        try open(id, at: place) { file throws(MantaError) in
            guard bytes.withUnsafeMutableBytes({ file.read(into: $0, from: offset) }) else { throw file.ended }
        }
        return bytes
    }

    /// An object in a file that is open.
    private struct OpenFile {
        let (id, place, path, descriptor): (ObjectID, SpillPlace, String, Int32)

        func read(into target: UnsafeMutableRawBufferPointer, from offset: Int) -> Bool {
            SpillFolder.read(into: target, at: place.offset + StoreBook.spillHeaderBytes + offset, from: descriptor)
        }

        func compare(with checksum: UInt32, _ count: Int) throws(MantaError) {
            var header = [UInt8](repeating: 0, count: StoreBook.spillHeaderBytes)
            guard header.withUnsafeMutableBytes({ SpillFolder.read(into: $0, at: place.offset, from: descriptor) }) else { throw ended }
            guard header == SpillFolder.header(id, checksum, count) else {
                throw MantaError(.objectLost, "the spill file \(path) does not hold object \(id) at byte \(place.offset): its header or checksum is wrong")
            }
        }

        var ended: MantaError { MantaError(.objectLost, "the spill file \(path) ends inside object \(id)") }
    }

    private func open(_ id: ObjectID, at place: SpillPlace, _ body: (OpenFile) throws(MantaError) -> Void) throws(MantaError) {
        let path = file(place.file)
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw MantaError(.objectLost, "the spill file \(path) of object \(id) cannot be opened: \(text(errno))") }
        defer { close(descriptor) }
        try body(OpenFile(id: id, place: place, path: path, descriptor: descriptor))
    }

    private static func read(into target: UnsafeMutableRawBufferPointer, at offset: Int, from descriptor: Int32) -> Bool {
        var done = 0
        while done < target.count {
            let count = pread(descriptor, target.baseAddress! + done, target.count - done, off_t(offset + done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    private func text(_ failure: Int32) -> String { String(cString: strerror(failure)) }
}
