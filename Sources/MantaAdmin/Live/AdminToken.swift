// AdminToken: the token that an admin API on a network asks for: made once, kept in a file that only its user can read.

import Glibc
import MantaModel

enum AdminToken {
    static let fileName = "admin-token"

    /// The token in the folder's file, which is made if there is none. Throws `system` when others could read or have placed the file.
    static func kept(in folder: String) throws(MantaError) -> String {
        let path = "\(folder)/\(fileName)"
        let made = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if made >= 0 {
            defer { close(made) }
            var generator = SystemRandomNumberGenerator()
            let token = (0..<4).map { _ in hexadecimal(generator.next()) }.joined()
            let written = token.withCString { write(made, $0, strlen($0)) }
            guard written == token.utf8.count else {
                unlink(path)
                throw MantaError(.system, "the admin token cannot be written to \(path): \(String(cString: strerror(errno)))")
            }
            return token
        }
        guard errno == EEXIST else { throw MantaError(.system, "the admin token cannot be kept in \(path): \(String(cString: strerror(errno)))") }
        return try read(path)
    }

    private static func read(_ path: String) throws(MantaError) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw MantaError(.system, "the admin token in \(path) cannot be read: \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_uid == getuid(), status.st_mode & 0o077 == 0 else {
            throw MantaError(.system, "\(path) can be read by others, so it is no secret; remove it, and a new one is made")
        }
        var buffer = [UInt8](repeating: 0, count: 512)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        return String(decoding: buffer[..<max(0, count)].prefix { $0 > 0x20 }, as: UTF8.self)
    }

    private static func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
