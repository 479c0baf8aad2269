// AsyncHTTPHandler: an asynchronous closure as a handler, for servers where convenience counts more than speed, such as the admin API.
//
// Each request runs as a task of its own; when the client goes away or the deadline passes, its task is cancelled.

import MantaLoop

/// Answers requests with an asynchronous closure.
package final class AsyncHTTPHandler: HTTPHandler, @unchecked Sendable {
    // Unchecked: the tasks are touched on the server's loop only.
    private let answer: @Sendable (HTTPRequestCopy) async -> HTTPResponse
    private var tasks: [RequestToken: Task<Void, Never>] = [:]

    package init(_ answer: @escaping @Sendable (HTTPRequestCopy) async -> HTTPResponse) { self.answer = answer }

    package func handle(_ request: borrowing HTTPRequest, token: RequestToken, server: HTTPServer) {
        let copy = request.copy()
        let answer = answer
        // Not before the handler has returned can the reply arrive, for it comes by way of the loop.
        tasks[token] = Task {
            let response = await answer(copy)
            server.loop.execute { [weak self] in
                self?.tasks[token] = nil
                server.respond(token, response)
            }
        }
    }

    package func requestEnded(_ token: RequestToken, reason: RequestEnd, server: HTTPServer) {
        tasks.removeValue(forKey: token)?.cancel()
    }
}
