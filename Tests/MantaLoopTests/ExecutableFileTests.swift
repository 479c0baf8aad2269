// What an executable is known by: its content, read once for each version of the file.

import Glibc
import MantaLoop
import MantaModel
import MantaTestKit
import Testing

@Suite struct ExecutableFileTests {
    private func write(_ text: String, to path: String) {
        guard let file = fopen(path, "we") else { return }
        fputs(text, file)
        fclose(file)
    }

    @Test func equalContentsHaveOneHashAndOthersAnother() throws {
        let folder = TemporaryDirectory()
        let notes = folder.file("notes")
        var hashes: [String] = []
        // Around the sixteen bytes that are taken at once, and contents that differ only in zeros at their end.
        let texts = ["", "a", "abcdefghijklmno", "abcdefghijklmnop", "abcdefghijklmnopq", "abcdefghijklmnopr", String(repeating: "long", count: 10_000)]
        for (index, text) in texts.enumerated() {
            write(text, to: folder.file("a\(index)"))
            write(text, to: folder.file("b\(index)"))
            let hash = try ExecutableFile.hash(of: folder.file("a\(index)"), notes: notes)
            #expect(try ExecutableFile.hash(of: folder.file("b\(index)"), notes: notes) == hash)
            #expect(hash.utf8.count == 32)
            hashes.append(hash)
        }
        #expect(Set(hashes).count == texts.count)
    }

    @Test func whatIsNotedIsNotReadAgainAndANewVersionIs() throws {
        let folder = TemporaryDirectory()
        let (path, notes) = (folder.file("program"), folder.file("notes"))
        write("one", to: path)
        let first = try ExecutableFile.hash(of: path, notes: notes)
        let noted = ExecutableFile.names(in: notes)
        #expect(noted.count == 1)
        write(String(first.reversed()), to: "\(notes)/\(noted[0])")
        #expect(try ExecutableFile.hash(of: path, notes: notes) == String(first.reversed()), "the note is believed")
        unlink(path)
        write("three", to: path)
        #expect(try ExecutableFile.hash(of: path, notes: notes) != first)
        let error = #expect(throws: MantaError.self) { try ExecutableFile.hash(of: folder.file("nothing"), notes: notes) }
        #expect(error?.code == .notFound)
    }
}
