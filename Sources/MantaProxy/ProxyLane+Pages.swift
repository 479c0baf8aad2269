// Pages: what the proxy answers itself, under /-/: its health and its routes.

import MantaHTTP
import MantaJSON
import MantaModel

extension ProxyLane {
    func handlePage(_ request: borrowing HTTPRequest, _ token: RequestToken, _ server: HTTPServer) {
        guard request.method == .get || request.method == .head else {
            server.respond(
                token, .failure(405, code: "methodNotAllowed", message: "the platform's pages answer GET and HEAD", headers: [HTTPHeader("Allow", "GET, HEAD")]))
            return
        }
        switch request.path {
        case "/-/healthz": server.respond(token, health)
        case "/-/routes": server.respond(token, routes)
        default: server.respond(token, .failure(404, code: "notFound", message: "there is no such page; there are /-/healthz and /-/routes"))
        }
    }

    /// 200 once there is something to serve.
    private var health: HTTPResponse {
        guard tables.isKnown else { return .unavailable("the proxy has not heard from the head yet") }
        guard tables.endpoints.rows.values.contains(where: { $0.route != nil }) else { return .unavailable("there is no endpoint with a route yet") }
        return .text("success\n")
    }

    /// `{"/classify": {"endpoint": "classify", "methods": ["POST"]}}`
    private var routes: HTTPResponse {
        var members: [(String, JSONValue)] = []
        for endpoint in tables.endpoints.rows.values.sorted(by: { ($0.route ?? "") < ($1.route ?? "") }) {
            guard let route = endpoint.route else { continue }
            members.append((route, ["endpoint": JSONValue(endpoint.name), "methods": JSONValue(endpoint.methods.map { JSONValue($0.rawValue) })]))
        }
        return .json(JSONValue(JSONObject(uniqueMembers: members)).serialize())
    }
}
