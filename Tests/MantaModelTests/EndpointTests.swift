// EndpointTests: the texts of endpoints, and which way is taken from where.

import MantaModel
import Testing

struct EndpointTests {
    @Test(arguments: ["tcp://127.0.0.1:6380", "ipc:///tmp/a;b.sock", "tcp://10.0.0.1:7;machine=a-1;ipc:///tmp/x;y=z.sock", ""])
    func aTextComesBackFromItsParts(text: String) { #expect(Endpoint(text).text == text) }

    @Test func itsOwnMachineGoesByThePathAndOthersByTheNetwork() {
        let both = Endpoint(network: "tcp://10.0.0.1:7", local: "ipc:///tmp/a.sock", machine: "one")
        #expect(both.address(from: "one") == "ipc:///tmp/a.sock")
        #expect(both.address(from: "two") == "tcp://10.0.0.1:7")
        #expect(Endpoint("ipc:///tmp/a.sock").address(from: "two") == "ipc:///tmp/a.sock")
        #expect(Endpoint("tcp://10.0.0.1:7").address(from: "one") == "tcp://10.0.0.1:7")
    }

    @Test(arguments: ["nonsense", "tcp://a:1;ipc:///x", "tcp://a:1;host=b;ipc:///x"])
    func whatIsOfNoFormIsLeftAsItIs(text: String) { #expect(Endpoint(text).address(from: "one") == text) }
}
