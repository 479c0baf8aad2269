// StatusCommand: `manta status`: is the cluster up, what does it have, what does it do.

import ArgumentParser
import Foundation
import Manta
import MantaAdmin
import MantaJSON
import MantaLoop
import MantaModel
import MantaWorker

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Shows whether the cluster is up, its resources and what runs in it.",
        discussion: "The exit status is 1 when the cluster does not answer.\n\nExamples:\n  manta status\n  manta status --address tcp://10.0.0.1:6380 --output json")

    @OptionGroup var cluster: ClusterOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let (address, state) = try await cluster.withCluster { session, runtime in
            (session.address, try await ClusterView(runtime: runtime).state(of: AdminTable.allCases, limit: AdminFilter.defaultLimit))
        }
        var value = AdminViews.cluster(state, version: Version.number, now: .now)
        value["address"] = JSONValue(address)
        for record in headPort(of: address).map({ ClusterRecord(port: $0).living }) ?? [] {
            if let url = record.url { value[record.role == "head" ? "dashboard" : "http"] = JSONValue(url) }
        }
        output.write(value) { text(value) }
    }

    private func text(_ value: JSONValue) -> String {
        var lines = [("cluster", "\(value["cluster"].string ?? ""), \(value["health"].string ?? "")"), ("head", value["address"].string ?? "")]
        for problem in value["problems"].array ?? [] { lines.append(("problem", problem.string ?? "")) }
        if let url = value["dashboard"].string { lines.append(("dashboard", url)) }
        if let url = value["http"].string { lines.append(("HTTP", url)) }
        lines.append(("nodes", counts(value["nodes"])))
        for member in value["resources"]["total"].object ?? JSONObject() {
            let free = value["resources"]["available"][member.key]
            lines.append((member.key, "\(amount(free.isNull ? 0 : free, of: member.key)) of \(amount(member.value, of: member.key)) free"))
        }
        for demand in value["demands"].array ?? [] {
            let amounts = (demand["resources"].object ?? JSONObject()).map { "\($0.key) \(amount($0.value, of: $0.key))" }.joined(separator: ", ")
            lines.append(("waiting", "\(demand["count"]) for \(amounts.isEmpty ? "a worker" : amounts)\(demand["infeasible"] == .bool(true) ? ", which no node has" : "")"))
        }
        lines.append(("jobs", counts(value["jobs"])))
        lines.append(("tasks", counts(value["tasks"])))
        lines.append(("unfinished", counts(value["unfinishedTasks"])))
        lines.append(("actors", counts(value["actors"])))
        lines.append(("objects", counts(value["objects"])))
        lines.append(("endpoints", "\(value["totals"]["endpoints"])"))
        lines.append(("backends", counts(value["backends"])))
        lines.append(("replicas", counts(value["replicas"])))
        lines.append(("errors", "\(value["totals"]["errors"]), \(value["recentErrors"]) in the last 15 minutes"))
        return lines.map { $0.0.padding(toLength: 12, withPad: " ", startingAt: 0) + $0.1 }.joined(separator: "\n")
    }

    private func amount(_ value: JSONValue, of resource: String) -> String {
        resource == Resources.memory ? AdminViews.bytes(Int64(value.double ?? 0)) : "\(value)"
    }

    /// `3 alive, 1 dead`.
    private func counts(_ value: JSONValue) -> String {
        let parts = (value.object ?? JSONObject()).map { "\($0.value) \($0.key)" }
        return parts.isEmpty ? "none" : parts.joined(separator: ", ")
    }
}
