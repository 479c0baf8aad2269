// The executable of this process, for nodes that lack it: as it is, whatever lies at its path by now.

import Glibc
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

extension Owner {
    func answer(_ request: FetchProgram, correlation: Correlation, on link: Link) throws(MantaError) {
        guard request.hash == runtime.configuration.program.hash else {
            throw MantaError(.notFound, "process \(pid) runs another program than \(request.hash.prefix(8))")
        }
        let descriptor = Glibc.open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
            throw MantaError(.system, "the executable of process \(pid) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { _ = Glibc.close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: Limits.programPartBytes)
        let count = max(0, pread(descriptor, &bytes, bytes.count, off_t(max(0, request.offset))))
        link.reply(to: correlation, ProgramPart(bytes: Array(bytes[..<count]), size: Int(status.st_size)))
    }
}
