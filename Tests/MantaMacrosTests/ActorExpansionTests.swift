// ActorExpansionTests: what `@RemoteActor` expands to, word for word.

import Testing

struct ActorExpansionTests {
    @Test func `an actor with initializers, overloads, effects and hidden members`() {
        expectExpansion(
            of: """
                @RemoteActor(maxRestarts: 3) public actor Counter {
                    private var count = 0
                    public init(start: Int = 0) { count = start }
                    init(file: String) async throws {}
                    public func increment(by n: Int = 1) -> Int { count += n; return count }
                    func increment(twice: Bool) {}
                    func id() async throws -> (Int, name: String) { (1, "a") }
                    private func hidden() {}
                    static func shared() {}
                }
                """,
            #"""
            public actor Counter {
                private var count = 0
                public init(start: Int = 0) { count = start }
                init(file: String) async throws {}
                public func increment(by n: Int = 1) -> Int { count += n; return count }
                func increment(twice: Bool) {}
                func id() async throws -> (Int, name: String) { (1, "a") }
                private func hidden() {}
                static func shared() {}

                public nonisolated struct Handle: Manta::RemoteActorHandle {
                public let _actor: Manta::_ActorReference
                public init(_actor: Manta::_ActorReference) { self._actor = _actor }
                public var increment: __increment { __increment(_actor: _actor) }
                public nonisolated struct __increment: Manta::RemoteMethod {
                let _actor: Manta::_ActorReference
                public var _options: Manta::CallOptions = Manta::CallOptions()
                init(_actor: Manta::_ActorReference) { self._actor = _actor }
                @discardableResult public nonisolated func callAsFunction(by n: Int = 1) -> Manta::ObjectReference<Int> { _actor._call(Counter._type, 0, _options) { try $0.value(n) }.reference(0) }
                @discardableResult public nonisolated func callAsFunction(by n: Manta::ObjectReference<Int>) -> Manta::ObjectReference<Int> { _actor._call(Counter._type, 0, _options) { $0.reference(n) }.reference(0) }
                @discardableResult nonisolated func callAsFunction(twice: Bool) -> Manta::ObjectReference<Void> { _actor._call(Counter._type, 1, _options) { try $0.value(twice) }.reference(0) }
                @discardableResult nonisolated func callAsFunction(twice: Manta::ObjectReference<Bool>) -> Manta::ObjectReference<Void> { _actor._call(Counter._type, 1, _options) { $0.reference(twice) }.reference(0) }
                }
                var id: __id { __id(_actor: _actor) }
                nonisolated struct __id: Manta::RemoteMethod {
                let _actor: Manta::_ActorReference
                var _options: Manta::CallOptions = Manta::CallOptions()
                init(_actor: Manta::_ActorReference) { self._actor = _actor }
                @discardableResult nonisolated func callAsFunction() -> (Manta::ObjectReference<Int>, name: Manta::ObjectReference<String>) { let results = _actor._call(Counter._type, 2, _options) { _ in }; return (results.reference(0), name: results.reference(1)) }
                }
                }

                public nonisolated struct Factory: Manta::RemoteActorFactory {
                public typealias Actor = Counter
                public let _options: Manta::ActorCreationOptions
                public init(_options: Manta::ActorCreationOptions) { self._options = _options }
                public nonisolated func remote(start: Int = 0) -> Handle { _create(0) { try $0.value(start) } }
                public nonisolated func remote(start: Manta::ObjectReference<Int>) -> Handle { _create(0) { $0.reference(start) } }
                nonisolated func remote(file: String) -> Handle { _create(1) { try $0.value(file) } }
                nonisolated func remote(file: Manta::ObjectReference<String>) -> Handle { _create(1) { $0.reference(file) } }
                }

                public nonisolated static func remote(start: Int = 0) -> Handle { Factory(_options: _defaults)._create(0) { try $0.value(start) } }

                public nonisolated static func remote(start: Manta::ObjectReference<Int>) -> Handle { Factory(_options: _defaults)._create(0) { $0.reference(start) } }

                nonisolated static func remote(file: String) -> Handle { Factory(_options: _defaults)._create(1) { try $0.value(file) } }

                nonisolated static func remote(file: Manta::ObjectReference<String>) -> Handle { Factory(_options: _defaults)._create(1) { $0.reference(file) } }

                public nonisolated static let _type: Manta::_ActorType = Manta::_ActorType("Shop.Counter", initializers: [
                Manta::_Signature("init(start:)", [(label: "start", name: "start", type: "Int", hasDefault: true)], results: 1),
                Manta::_Signature("init(file:)", [(label: "file", name: "file", type: "String", hasDefault: false)], results: 1)], methods: [
                Manta::_Signature("increment(by:)", [(label: "by", name: "n", type: "Int", hasDefault: true)], results: 1),
                Manta::_Signature("increment(twice:)", [(label: "twice", name: "twice", type: "Bool", hasDefault: false)], results: 1),
                Manta::_Signature("id()", [], results: 2)], runsOneByOne: false, hasAsyncMethods: true, defaults: _defaults)

                public nonisolated static let _defaults: Manta::ActorCreationOptions = Manta::ActorCreationOptions(maxRestarts: 3)

                public nonisolated(nonsending) static func _create(_ initializer: UInt32, _ call: Manta::_Invocation) async throws -> Counter {
                switch initializer {
                case 0: return try Counter(start: call.isAbsent(0) ? (0) : call.argument(0, as: (Int).self))
                default: return try await Counter(file: call.argument(0, as: (String).self))
                }
                }

                public func _dispatch(_ method: UInt32, _ call: Manta::_Invocation) async throws -> Manta::_Reply {
                switch method {
                case 0:
                let result = try self.increment(by: call.isAbsent(0) ? (1) : call.argument(0, as: (Int).self))
                return try Manta::_Reply(result)
                case 1:
                try self.increment(twice: call.argument(0, as: (Bool).self))
                return Manta::_Reply.void
                default:
                let result = try await self.id()
                return try Manta::_Reply(result.0, result.1)
                }
                }

                @section("manta_records") @used nonisolated private static let _record: Manta::_Record = (2, 1, { unsafe Manta::_register($0, actor: Counter.self) }, 0)
            }

            nonisolated extension Counter: Manta::RemoteActor {}
            """#)
    }

    @Test func `a class without initializer`() {
        expectExpansion(
            of: """
                @RemoteActor final class Log {
                    func add(_ line: String) async {}
                    func clear() {}
                }
                """,
            #"""
            final class Log {
                func add(_ line: String) async {}
                func clear() {}

                nonisolated struct Handle: Manta::RemoteActorHandle {
                let _actor: Manta::_ActorReference
                init(_actor: Manta::_ActorReference) { self._actor = _actor }
                var add: __add { __add(_actor: _actor) }
                nonisolated struct __add: Manta::RemoteMethod {
                let _actor: Manta::_ActorReference
                var _options: Manta::CallOptions = Manta::CallOptions()
                init(_actor: Manta::_ActorReference) { self._actor = _actor }
                @discardableResult nonisolated func callAsFunction(_ line: String) -> Manta::ObjectReference<Void> { _actor._call(Log._type, 0, _options) { try $0.value(line) }.reference(0) }
                @discardableResult nonisolated func callAsFunction(_ line: Manta::ObjectReference<String>) -> Manta::ObjectReference<Void> { _actor._call(Log._type, 0, _options) { $0.reference(line) }.reference(0) }
                }
                var clear: __clear { __clear(_actor: _actor) }
                nonisolated struct __clear: Manta::RemoteMethod {
                let _actor: Manta::_ActorReference
                var _options: Manta::CallOptions = Manta::CallOptions()
                init(_actor: Manta::_ActorReference) { self._actor = _actor }
                @discardableResult nonisolated func callAsFunction() -> Manta::ObjectReference<Void> { _actor._call(Log._type, 1, _options) { _ in }.reference(0) }
                }
                }

                nonisolated struct Factory: Manta::RemoteActorFactory {
                typealias Actor = Log
                let _options: Manta::ActorCreationOptions
                init(_options: Manta::ActorCreationOptions) { self._options = _options }
                nonisolated func remote() -> Handle { _create(0) { _ in } }
                }

                nonisolated static func remote() -> Handle { Factory(_options: _defaults)._create(0) { _ in } }

                nonisolated static let _type: Manta::_ActorType = Manta::_ActorType("Shop.Log", initializers: [
                Manta::_Signature("init()", [], results: 1)], methods: [
                Manta::_Signature("add(_:)", [(label: nil, name: "line", type: "String", hasDefault: false)], results: 1),
                Manta::_Signature("clear()", [], results: 1)], runsOneByOne: true, hasAsyncMethods: true, defaults: _defaults)

                nonisolated static let _defaults: Manta::ActorCreationOptions = Manta::ActorCreationOptions()

                nonisolated(nonsending) static func _create(_ initializer: UInt32, _ call: Manta::_Invocation) async throws -> Log {
                switch initializer {
                default: return Log()
                }
                }

                nonisolated(nonsending) func _dispatch(_ method: UInt32, _ call: Manta::_Invocation) async throws -> Manta::_Reply {
                let instance = Manta::_OneByOne(self)
                switch method {
                case 0:
                try await instance.value.add(call.argument(0, as: (String).self))
                return Manta::_Reply.void
                default:
                self.clear()
                return Manta::_Reply.void
                }
                }

                @section("manta_records") @used nonisolated private static let _record: Manta::_Record = (2, 1, { unsafe Manta::_register($0, actor: Log.self) }, 0)
            }

            nonisolated extension Log: Manta::RemoteActor {}
            """#)
    }
}
