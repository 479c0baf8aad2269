// Who may remove what lies at a path: its holder, and anyone when its holder is gone.

import Glibc
import MantaLoop
import MantaModel
import MantaTestKit
import Testing

@Suite struct PathLockTests {
    private func write(_ path: String) { close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)) }
    private func isThere(_ path: String) -> Bool { access(path, F_OK) == 0 }

    @Test func aPathHasOneHolderAtATime() throws {
        let folder = TemporaryDirectory()
        let path = folder.file("x.sock")
        do {
            let lock = try PathLock(path)
            let error = #expect(throws: MantaError.self) { try PathLock(path) }
            #expect(error?.code == .addressInUse && error?.message.contains(path) == true)
            #expect(!PathLock.removeAbandoned(path), "it is held")
            #expect(lock.path == path)
        }
        #expect(!isThere("\(path).lock"))
        _ = try PathLock(path)
    }

    @Test func whatNobodyHoldsIsRemovedWithItsLock() throws {
        let folder = TemporaryDirectory()
        // As processes leave it that were killed.
        for name in ["a.sock", "a.sock.lock", "c.spill.lock", "b.sock", "other", "other.lock", "d.sock"] { write(folder.file(name)) }
        mkdir(folder.file("c.spill"), 0o700)
        write(folder.file("c.spill/1.spill"))
        let held = try PathLock(folder.file("b.sock"))
        #expect(PathLock.removeAbandoned(in: folder.path) { $0.hasSuffix(".sock") || $0.hasSuffix(".spill") } == 1)
        for name in ["a.sock", "a.sock.lock", "c.spill", "c.spill.lock"] { #expect(!isThere(folder.file(name)), "\(name)") }
        for name in ["b.sock", "b.sock.lock", "other", "other.lock", "d.sock"] { #expect(isThere(folder.file(name)), "\(name)") }
        withExtendedLifetime(held) {}
    }

    @Test func aFolderThatIsNotThereHasNothingAbandoned() {
        #expect(PathLock.removeAbandoned(in: "/nonexistent") { _ in true } == 0)
        #expect(!PathLock.removeAbandoned("/nonexistent/x"))
    }
}
