// ClassifierTests: the document classifier as config/serve.yaml deploys it: titles in, topics out, actors in between.

import Foundation
import MantaJSON
import MantaTestKit
import PlainHTTP
import Testing

extension ProcessTests {
    @Suite(.serialized)
    struct ClassifierTests {
        @Test func titlesBecomeTopicsAndActorsHoldThem() async throws {
            try await Platform.run { platform in
                try await platform.manta("serve", "deploy", "config/serve.yaml")
                let title = "Spectral Measures on Locally Fields [math.FA]"
                try await platform.ready("POST", "/classify", body: title)

                let text = try JSONValue.parse(try await platform.http("POST", "/classify", headers: [("Content-Type", "text/plain")], body: title).body)
                #expect(text["topic"].string == "math")
                #expect(text["subtopic"].string == "analysis")
                let actor = try #require(text["actor"].string)

                let body = "\(JSONValue.object(JSONObject(uniqueMembers: [("title", JSONValue("Attention Is All You Need [cs.CL]"))])))"
                let json = try JSONValue.parse(try await platform.http("POST", "/classify", headers: [("Content-Type", "application/json")], body: body).body)
                #expect(json["topic"].string == "compsci")
                #expect(json["subtopic"].string == "language")

                #expect(try JSONValue.parse(try await platform.http("GET", "/topics/math").body)["analysis"] == [JSONValue(title)])
                let row = try #require(try await platform.list("actors").first { $0["name"].string == "math" })
                #expect(row["id"].string == actor)
                #expect(row["namespace"].string == "topics")
                #expect(row["detached"].bool == true)

                let (status, held) = try await platform.admin("POST", "actors/topics/math/call/list", [])
                #expect(status == 200)
                #expect("\(held)".contains("Spectral Measures"))
                try await wrongTitlesAreExplained(platform)
            }
        }

        private func wrongTitlesAreExplained(_ platform: Platform) async throws {
            for (title, word) in [
                ("", "empty"), ("A title without a tag", "no tag"), ("A title [math.XX]", "math.XX"), ("[math.FA]", "no title"),
                (String(repeating: "long ", count: 300) + "[math.FA]", "at most"), ("two\nlines [math.FA]", "line"),
            ] {
                let answer = try await platform.http("POST", "/classify", headers: [("Content-Type", "text/plain")], body: title)
                #expect(answer.status == 400, "\(title.prefix(40)): \(answer.text)")
                #expect(answer.text.contains(word), "\(title.prefix(40)): \(answer.text)")
            }
            for body in ["{", "{}", #"{"title": 1}"#, #"["x"]"#] {
                let answer = try await platform.http("POST", "/classify", headers: [("Content-Type", "application/json")], body: body)
                #expect(answer.status == 400, "\(body): \(answer.text)")
            }
            #expect(try await platform.http("GET", "/topics/astrology").status == 404)
            #expect(try await platform.http("GET", "/classify").status == 405)
        }

        @Test func twoHundredTitlesArePostedAndHeld() async throws {
            try await Platform.run { platform in
                try await platform.manta("serve", "deploy", "config/serve.yaml")
                try await platform.ready("GET", "/topics/math")
                let outcome = try await BuiltProgram.PostTitles.run(["--url", "http://127.0.0.1:\(platform.httpPort)", "--json"])
                #expect(outcome.status == 0, "\(outcome)")
                let report = try JSONValue.parse(outcome.output)
                #expect(report["statuses"]["200"].integer == 200)
                let held = (report["topics"].object ?? JSONObject()).reduce(0) { sum, topic in
                    sum + (topic.value.object ?? JSONObject()).reduce(0) { $0 + Int($1.value.integer ?? 0) }
                }
                #expect(held == 200)
                #expect(outcome.errors.contains("200/200"))
                #expect(Set(try await platform.list("actors").compactMap { $0["name"].string }).isSuperset(of: ["math", "physics", "compsci", "bio", "finance"]))
            }
        }
    }
}
