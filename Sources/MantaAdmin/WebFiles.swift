// WebFiles: the dashboard's files, an explicit list: nothing else of the disk can be asked for. They are read when they are asked for, so that an edit
// shows at the next reload; browsers keep a copy and ask whether it is still the same.

import Glibc
package import MantaHTTP
import MantaLoop

package struct WebFiles: Sendable {
    /// The folder that holds `index.html`; nil when there is none.
    package let folder: String?

    package init(folder: String?) { self.folder = folder }

    /// File names and content types by path.
    static let files: [String: (name: String, type: String)] = {
        var files: [String: (name: String, type: String)] = [
            "/": ("index.html", "text/html; charset=utf-8"), "/index.html": ("index.html", "text/html; charset=utf-8"),
            "/style.css": ("style.css", "text/css; charset=utf-8"), "/icon.svg": ("icon.svg", "image/svg+xml"),
        ]
        for module in ["api", "app", "charts", "dom", "events", "format", "inspector", "overview", "tables", "theme", "traffic", "views"] {
            files["/\(module).js"] = ("\(module).js", "text/javascript; charset=utf-8")
        }
        return files
    }()
    private static let largest = 1 << 20

    package func has(_ path: String) -> Bool { Self.files[path] != nil }

    /// The file at a path that `has` it.
    package func response(to request: HTTPRequestCopy) -> HTTPResponse {
        guard let file = Self.files[request.path] else { return .failure(404, code: "notFound", message: "there is no such page") }
        guard let folder else { return HTTPResponse(contentType: "text/html; charset=utf-8", body: .text(Self.missing)) }
        guard let bytes = Self.read("\(folder)/\(file.name)") else {
            return .failure(404, code: "notFound", message: "the dashboard's file \(file.name) cannot be read")
        }
        let tag = "\"\(String(AdminViews.fingerprint(bytes), radix: 16))\""
        let headers = [HTTPHeader("ETag", tag), HTTPHeader("Cache-Control", "no-cache")]
        if request.header("If-None-Match") == tag { return HTTPResponse(status: 304, headers: headers) }
        return HTTPResponse(contentType: file.type, headers: headers, body: .bytes(bytes))
    }

    /// Where the files are: `MANTA_WEB`, else the folder `web` beside the executable or above it, else where packages install them.
    package static func find() -> String? {
        if let folder = ProcessEnvironment["MANTA_WEB"], !folder.isEmpty { return folder }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { raw in raw.baseAddress.map { readlink("/proc/self/exe", $0, raw.count) } ?? -1 }
        guard count > 0 else { return nil }
        var path = Substring(decoding: buffer[..<count], as: UTF8.self)
        while let slash = path.lastIndex(of: "/") {
            path = path[..<slash]
            for folder in ["\(path)/web", "\(path)/share/manta/web"] where access("\(folder)/index.html", R_OK) == 0 { return folder }
        }
        return nil
    }

    private static func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count <= largest {
            let count = buffer.withUnsafeMutableBytes { raw in raw.baseAddress.map { Glibc.read(descriptor, $0, raw.count) } ?? -1 }
            guard count >= 0 else { return nil }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
        }
        return nil
    }

    private static let missing = """
        <!doctype html><html lang="en"><meta charset="utf-8"><title>Manta</title>
        <h1>Manta</h1><p>The dashboard's files were not found. Set <code>MANTA_WEB</code> to the folder that holds its <code>index.html</code>.</p>
        <p>The admin API works: <a href="api/v1/cluster">api/v1/cluster</a>.</p></html>
        """
}
