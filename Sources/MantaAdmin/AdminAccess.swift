// AdminAccess: who may do what: the token, and the defences against pages of other sites that run in an operator's browser.
//
// Decided after the route is known, on the server's own canonical path, and refused by default: only the pages of the dashboard are public. Foreign pages
// are kept out three times: a `Host` that is not ours is refused by the server (DNS rebinding), `Origin` and `Sec-Fetch-Site` must say that a request
// comes from our own page, and what changes something must be JSON, which no form can send. There are no CORS headers.

package import MantaHTTP
package import MantaModel
import Synchronization

/// The token that callers must know, and who guessed wrong lately.
package final class AdminAccess: Sendable {
    /// Wrong tokens of one address in a minute; then it gets 429.
    static let guessesPerMinute = 20
    /// Addresses that are remembered.
    static let addresses = 1024
    static let window: Int64 = 60_000

    private let token: [UInt8]?
    private let guesses = Mutex<[String: Guesses]>([:])

    private struct Guesses {
        var count: Int
        var since: Int64
    }

    /// - Parameter token: nil on a loopback address only, where whoever can connect is a user of this machine.
    package init(token: String?) { self.token = token.map { Array($0.utf8) } }

    /// Why the request is refused; nil when it may go on.
    package func refusal(of request: HTTPRequestCopy, at time: WallTime) -> HTTPResponse? { crossSite(request) ?? wrongToken(request, at: time) }

    private func crossSite(_ request: HTTPRequestCopy) -> HTTPResponse? {
        let refused = HTTPResponse.failure(403, code: "crossSite", message: "requests of pages of other sites are refused; call from the dashboard, curl or a program")
        if let site = request.header("Sec-Fetch-Site"), site != "same-origin", site != "none" { return refused }
        if let origin = request.header("Origin") {
            let host = request.header("Host")?.lowercased() ?? ""
            if origin.lowercased() != "http://\(host)", origin.lowercased() != "https://\(host)" { return refused }
        }
        return nil
    }

    /// Why the request's body is refused where its method is served; nil when it may be read.
    package func refusalOfBody(of request: HTTPRequestCopy) -> HTTPResponse? {
        guard request.method.needsBody else { return nil }
        let type = (request.header("Content-Type") ?? "").split(separator: ";").first.map { String($0).lowercased().trimmed } ?? ""
        if type == "application/json" { return nil }
        return .failure(415, code: "unsupportedMediaType", message: "expected the header Content-Type: application/json")
    }

    private func wrongToken(_ request: HTTPRequestCopy, at time: WallTime) -> HTTPResponse? {
        guard let token else { return nil }
        if request.query("token") != nil {
            return .failure(400, code: "invalidArgument", message: "a token does not belong in the address, where logs keep it; send Authorization: Bearer TOKEN")
        }
        let headers = request.headers.filter { $0.name.lowercased() == "authorization" }
        guard headers.count < 2 else { return .failure(400, code: "invalidArgument", message: "Authorization occurs more than once") }
        guard let header = headers.first else {
            return .failure(
                401, code: "tokenMissing", message: "this cluster asks for a token: send Authorization: Bearer TOKEN", headers: [HTTPHeader("WWW-Authenticate", "Bearer")])
        }
        if isBarred(request.remoteAddress, at: time) {
            return .failure(429, code: "tooManyGuesses", message: "too many wrong tokens came from this address; try again in a minute", headers: [HTTPHeader("Retry-After", "60")])
        }
        let scheme = "Bearer "
        let given = header.value.hasPrefix(scheme) ? Array(header.value.dropFirst(scheme.count).utf8) : []
        if Self.isEqual(given, token) { return nil }
        noteGuess(request.remoteAddress, at: time)
        return .failure(403, code: "wrongToken", message: "the token is wrong")
    }

    /// Takes as long for any wrong token of a length as for the right one.
    static func isEqual(_ given: [UInt8], _ token: [UInt8]) -> Bool {
        var difference: UInt8 = given.count == token.count ? 0 : 1
        for index in token.indices { difference |= token[index] ^ (index < given.count ? given[index] : 0) }
        return difference == 0
    }

    private func isBarred(_ address: String, at time: WallTime) -> Bool {
        guesses.withLock { guesses in
            guard let known = guesses[address], time.milliseconds - known.since < Self.window else { return false }
            return known.count >= Self.guessesPerMinute
        }
    }

    private func noteGuess(_ address: String, at time: WallTime) {
        guesses.withLock { guesses in
            if guesses.count >= Self.addresses { guesses = guesses.filter { time.milliseconds - $0.value.since < Self.window } }
            if guesses.count >= Self.addresses { guesses.removeAll() }
            if let known = guesses[address], time.milliseconds - known.since < Self.window {
                guesses[address]?.count += 1
            } else {
                guesses[address] = Guesses(count: 1, since: time.milliseconds)
            }
        }
    }
}

extension String {
    /// Without spaces and tabs at its ends.
    var trimmed: String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let start = drop(while: isBlank)
        return String(start.reversed().drop(while: isBlank).reversed())
    }
}
