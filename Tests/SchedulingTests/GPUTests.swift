// GPUs by number: what tasks and actors see of those of their node. The nodes' GPUs are numbers only; nothing here computes on one.

import Glibc
import Manta
import MantaModel
import MantaTestCluster
import MantaTestKit
import Testing

@Remote func visibleGPUs() async throws -> [String] { [try Manta.context.gpus.joined(separator: ","), String(cString: getenv("CUDA_VISIBLE_DEVICES"))] }

@RemoteActor actor GPUUser {
    init() {}
    func place() throws -> [String] {
        let context = try Manta.context
        return [context.node?.description ?? "", context.gpus.joined(separator: ","), String(cString: getenv("CUDA_VISIBLE_DEVICES"))]
    }
    func process() -> Int32 { getpid() }
}

extension SchedulingTests {
    @Suite(.serialized) struct GPUTests {
        @Test func ACTOR_054_actorsHaveGPUsOfTheirOwn() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                for _ in 0..<3 { try await cluster.addNode(cpus: 1, variables: ["MANTA_GPUS": "4"]) }
                var users: [GPUUser.Handle] = []
                var places: Set<[String]> = []
                for _ in 0..<12 { users.append(GPUUser.options(gpus: 1).remote()) }
                for user in users {
                    let place = try await user.place().value
                    #expect(place[1] == place[2], "what it is told is what it sees")
                    places.insert(place)
                }
                #expect(places.count == 12 && Set(places.map { $0[0] }).count == 3)
                #expect(Set(places.map { $0[1] }) == ["0", "1", "2", "3"])
                let thirteenth = GPUUser.options(gpus: 1).remote().place()
                let (ready, _) = try await Manta.wait([thirteenth], timeout: .milliseconds(300))
                #expect(ready.isEmpty)
                users.removeLast()
                #expect(places.contains(try await thirteenth.value), "in the place of the one that went")
            }
        }

        @Test func ACTOR_054_oneAfterTheOtherOnOneGPU() async throws {
            try await TestCluster.run(nodes: [1]) { cluster, _ in
                try await cluster.addNode(cpus: 1, variables: ["MANTA_GPUS": "1"])
                for _ in 0..<5 { #expect(try await GPUUser.options(gpus: 1).remote().place().value.last == "0") }
                let halves = [GPUUser.options(gpus: 0.5).remote(), GPUUser.options(gpus: 0.5).remote()]
                for half in halves { #expect(try await half.place().value.last == "0", "two share it") }
            }
        }

        @Test func tasksSeeTheirGPUsAndNoOthers() async throws {
            try await TestCluster.run(nodes: [0]) { cluster, _ in
                try await cluster.addNode(cpus: 4, variables: ["MANTA_GPUS": "2"])
                #expect(try await visibleGPUs.remote().value == ["", ""])
                #expect(try await visibleGPUs.options(gpus: 2).remote().value == ["0,1", "0,1"])
                let seen = try await Manta.get((0..<20).map { _ in visibleGPUs.options(cpus: 0.1, gpus: 1).remote() })
                #expect(seen.allSatisfy { $0[0] == $0[1] && ["0", "1"].contains($0[0]) })
                #expect(try await visibleGPUs.remote().value == ["", ""], "also after others had them")
                try await cluster.expectEverythingIsReturned()
            }
        }
    }
}
