// FunctionExpansionTests: what `@Remote` and `#remote` expand to, word for word: the shapes of signatures, names, access and options.

import Testing

struct FunctionExpansionTests {
    @Test func `one parameter`() {
        expectExpansion(
            of: """
                @Remote func square(_ x: Int) -> Int { x * x }
                """,
            #"""
            func square(_ x: Int) -> Int { x * x }

            nonisolated var square: __Remote_square { __Remote_square() }

            nonisolated struct __Remote_square: Manta::RemoteFunction {
            static let _signature: Manta::_Signature = Manta::_Signature("Shop.square(_:)", [(label: nil, name: "x", type: "Int", hasDefault: false)], results: 1)
            static let _defaults: Manta::FunctionOptions = Manta::FunctionOptions()
            var _options: Manta::FunctionOptions = Self._defaults
            @discardableResult nonisolated func remote(_ x: Int) -> Manta::ObjectReference<Int> { _submit { try $0.value(x) }.reference(0) }
            @discardableResult nonisolated func remote(_ x: Manta::ObjectReference<Int>) -> Manta::ObjectReference<Int> { _submit { $0.reference(x) }.reference(0) }
            nonisolated(nonsending) static func _invoke(_ call: Manta::_Invocation) async throws -> Manta::_Reply {
            let plain = square(_:)
            let function: (Int) async throws -> Int = plain
            let result = try await function(call.argument(0, as: (Int).self))
            return try Manta::_Reply(result)
            }
            @section("manta_records") @used private static let _record: Manta::_Record = (1, 1, { unsafe Manta::_register($0, function: __Remote_square.self) }, 0)
            }
            """#)
    }

    @Test func `options, label, default, async and throws`() {
        expectExpansion(
            of: """
                @Remote(cpus: 2, retries: 5) public func add(_ x: Int, to y: Int = 10) async throws -> Int { x + y }
                """,
            #"""
            public func add(_ x: Int, to y: Int = 10) async throws -> Int { x + y }

            public nonisolated var add: __Remote_add { __Remote_add() }

            public nonisolated struct __Remote_add: Manta::RemoteFunction {
            public static let _signature: Manta::_Signature = Manta::_Signature("Shop.add(_:to:)", [(label: nil, name: "x", type: "Int", hasDefault: false), (label: "to", name: "y", type: "Int", hasDefault: true)], results: 1)
            public static let _defaults: Manta::FunctionOptions = Manta::FunctionOptions(cpus: 2, retries: 5)
            public var _options: Manta::FunctionOptions = Self._defaults
            @discardableResult public nonisolated func remote(_ x: Int, to y: Int = 10) -> Manta::ObjectReference<Int> { _submit { try $0.value(x); try $0.value(y) }.reference(0) }
            @discardableResult public nonisolated func remote(_ x: Manta::ObjectReference<Int>, to y: Int = 10) -> Manta::ObjectReference<Int> { _submit { $0.reference(x); try $0.value(y) }.reference(0) }
            @discardableResult public nonisolated func remote(_ x: Int, to y: Manta::ObjectReference<Int>) -> Manta::ObjectReference<Int> { _submit { try $0.value(x); $0.reference(y) }.reference(0) }
            @discardableResult public nonisolated func remote(_ x: Manta::ObjectReference<Int>, to y: Manta::ObjectReference<Int>) -> Manta::ObjectReference<Int> { _submit { $0.reference(x); $0.reference(y) }.reference(0) }
            public nonisolated(nonsending) static func _invoke(_ call: Manta::_Invocation) async throws -> Manta::_Reply {
            let plain = add(_:to:)
            let function: (Int, Int) async throws -> Int = plain
            let result = try await function(call.argument(0, as: (Int).self), call.isAbsent(1) ? (10) : call.argument(1, as: (Int).self))
            return try Manta::_Reply(result)
            }
            @section("manta_records") @used private static let _record: Manta::_Record = (1, 1, { unsafe Manta::_register($0, function: __Remote_add.self) }, 0)
            }
            """#)
    }

    @Test func `a static function with a tuple in an extension`() {
        expectExpansion(
            of: """
                extension Store.Math {
                    @Remote static func divide(_ a: Int, by b: Int) -> (quotient: Int, Int) { (a / b, a % b) }
                }
                """,
            #"""
            extension Store.Math {
                static func divide(_ a: Int, by b: Int) -> (quotient: Int, Int) { (a / b, a % b) }

                nonisolated static var divide: __Remote_divide { __Remote_divide() }

                nonisolated struct __Remote_divide: Manta::RemoteFunction {
                static let _signature: Manta::_Signature = Manta::_Signature("Shop.Store.Math.divide(_:by:)", [(label: nil, name: "a", type: "Int", hasDefault: false), (label: "by", name: "b", type: "Int", hasDefault: false)], results: 2)
                static let _defaults: Manta::FunctionOptions = Manta::FunctionOptions()
                var _options: Manta::FunctionOptions = Self._defaults
                @discardableResult nonisolated func remote(_ a: Int, by b: Int) -> (quotient: Manta::ObjectReference<Int>, Manta::ObjectReference<Int>) { let results = _submit { try $0.value(a); try $0.value(b) }; return (quotient: results.reference(0), results.reference(1)) }
                @discardableResult nonisolated func remote(_ a: Manta::ObjectReference<Int>, by b: Int) -> (quotient: Manta::ObjectReference<Int>, Manta::ObjectReference<Int>) { let results = _submit { $0.reference(a); try $0.value(b) }; return (quotient: results.reference(0), results.reference(1)) }
                @discardableResult nonisolated func remote(_ a: Int, by b: Manta::ObjectReference<Int>) -> (quotient: Manta::ObjectReference<Int>, Manta::ObjectReference<Int>) { let results = _submit { try $0.value(a); $0.reference(b) }; return (quotient: results.reference(0), results.reference(1)) }
                @discardableResult nonisolated func remote(_ a: Manta::ObjectReference<Int>, by b: Manta::ObjectReference<Int>) -> (quotient: Manta::ObjectReference<Int>, Manta::ObjectReference<Int>) { let results = _submit { $0.reference(a); $0.reference(b) }; return (quotient: results.reference(0), results.reference(1)) }
                nonisolated(nonsending) static func _invoke(_ call: Manta::_Invocation) async throws -> Manta::_Reply {
                let plain = divide(_:by:)
                let function: (Int, Int) async throws -> (quotient: Int, Int) = plain
                let result = try await function(call.argument(0, as: (Int).self), call.argument(1, as: (Int).self))
                return try Manta::_Reply(result.0, result.1)
                }
                @section("manta_records") @used private static let _record: Manta::_Record = (1, 1, { unsafe Manta::_register($0, function: __Remote_divide.self) }, 0)
                }
            }
            """#)
    }

    @Test func `no parameters, no result, private`() {
        expectExpansion(
            of: """
                @Remote private func tick() async throws {}
                """,
            #"""
            private func tick() async throws {}

            private nonisolated var tick: __Remote_tick { __Remote_tick() }

            private nonisolated struct __Remote_tick: Manta::RemoteFunction {
            static let _signature: Manta::_Signature = Manta::_Signature("Shop.tick() in test.swift", [], results: 1)
            static let _defaults: Manta::FunctionOptions = Manta::FunctionOptions()
            var _options: Manta::FunctionOptions = Self._defaults
            @discardableResult nonisolated func remote() -> Manta::ObjectReference<Void> { _submit { _ in }.reference(0) }
            nonisolated(nonsending) static func _invoke(_ call: Manta::_Invocation) async throws -> Manta::_Reply {
            try await tick()
            return Manta::_Reply.void
            }
            @section("manta_records") @used private static let _record: Manta::_Record = (1, 1, { unsafe Manta::_register($0, function: __Remote_tick.self) }, 0)
            }
            """#)
    }

    @Test func `more than three parameters take values or remote arguments`() {
        expectExpansion(
            of: """
                @Remote func four(a: Int, b: String?, _ c: [Double], d: Bool = true) {}
                """,
            #"""
            func four(a: Int, b: String?, _ c: [Double], d: Bool = true) {}

            nonisolated var four: __Remote_four { __Remote_four() }

            nonisolated struct __Remote_four: Manta::RemoteFunction {
            static let _signature: Manta::_Signature = Manta::_Signature("Shop.four(a:b:_:d:)", [(label: "a", name: "a", type: "Int", hasDefault: false), (label: "b", name: "b", type: "String?", hasDefault: false), (label: nil, name: "c", type: "[Double]", hasDefault: false), (label: "d", name: "d", type: "Bool", hasDefault: true)], results: 1)
            static let _defaults: Manta::FunctionOptions = Manta::FunctionOptions()
            var _options: Manta::FunctionOptions = Self._defaults
            @discardableResult nonisolated func remote(a: Int, b: String?, _ c: [Double], d: Bool = true) -> Manta::ObjectReference<Void> { _submit { try $0.value(a); try $0.value(b); try $0.value(c); try $0.value(d) }.reference(0) }
            @discardableResult nonisolated func remote(a: some Manta::RemoteArgument<Int>, b: some Manta::RemoteArgument<String?>, _ c: some Manta::RemoteArgument<[Double]>, d: some Manta::RemoteArgument<Bool>) -> Manta::ObjectReference<Void> { _submit { try $0.argument(a); try $0.argument(b); try $0.argument(c); try $0.argument(d) }.reference(0) }
            nonisolated(nonsending) static func _invoke(_ call: Manta::_Invocation) async throws -> Manta::_Reply {
            let plain = four(a:b:_:d:)
            let function: (Int, String?, [Double], Bool) async throws -> Void = plain
            try await function(call.argument(0, as: (Int).self), call.argument(1, as: (String?).self), call.argument(2, as: ([Double]).self), call.isAbsent(3) ? (true) : call.argument(3, as: (Bool).self))
            return Manta::_Reply.void
            }
            @section("manta_records") @used private static let _record: Manta::_Record = (1, 1, { unsafe Manta::_register($0, function: __Remote_four.self) }, 0)
            }
            """#)
    }

    @Test func `a closure`() {
        expectExpansion(
            of: """
                func f(_ data: [Float]) {
                    _ = #remote(data, 5) { (xs: [Float], k: Float) in xs.reduce(0, +) * k }
                }
                """,
            #"""
            func f(_ data: [Float]) {
                _ = {
                nonisolated enum __macro_local_7ClosurefMu_: Manta::_RemoteCode {
                static let body = Manta::_RemoteClosure({ (xs: [Float], k: Float) in xs.reduce(0, +) * k })
                static let _signature: Manta::_Signature = Manta::_Signature("Shop.test.swift:2:9", [(label: nil, name: "0", type: "[Float]", hasDefault: false), (label: nil, name: "1", type: "Float", hasDefault: false)], results: 1)
                nonisolated(nonsending) static func _invoke(_ call: Manta::_Invocation) async throws -> Manta::_Reply { try await body.invoke(call) }
                @section("manta_records") @used private static let _record: Manta::_Record = (1, 1, { unsafe Manta::_register($0, function: __macro_local_7ClosurefMu_.self) }, 0)
                }
                return __macro_local_7ClosurefMu_.body.submit(__macro_local_7ClosurefMu_.self, Manta::_argument(data, as: ([Float]).self), Manta::_argument(5, as: (Float).self))
                }()
            }
            """#)
    }
}
