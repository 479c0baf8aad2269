// DiagnosticTests: every declaration that cannot be remote is refused at its place, with words that say what to do, and with a fix where there is one.

import SwiftSyntaxMacrosGenericTestSupport
import Testing

struct FunctionDiagnosticTests {
    @Test func `a generic function is refused`() {
        expectRefusal(
            of: "@Remote func same<T>(_ x: T) -> T { x }",
            "a remote function cannot be generic: a worker finds it by its name, which says nothing of types; write one for each type", column: 18)
    }

    @Test func `an opaque parameter is refused`() {
        expectRefusal(
            of: "@Remote func show(_ x: some Codable) {}",
            "a remote function cannot take 'some': the worker must know the type to decode it; name a Codable type", column: 19)
    }

    @Test func `an existential parameter is refused`() {
        expectRefusal(
            of: "@Remote func show(_ x: any Codable) {}",
            "a remote function cannot take 'any': the worker must know the type to decode it; name a Codable type", column: 19)
    }

    @Test func `an inout parameter is refused`() {
        expectRefusal(
            of: "@Remote func grow(_ x: inout Int) { x += 1 }",
            "a remote function cannot have an inout parameter: it runs on a copy; return the new value instead", column: 19)
    }

    @Test func `a variadic parameter is refused`() {
        expectRefusal(
            of: "@Remote func sum(_ xs: Int...) -> Int { 0 }", "a remote function cannot have a variadic parameter; take an array: [Int]", column: 18)
    }

    @Test func `a closure parameter is refused`() {
        expectRefusal(
            of: "@Remote func apply(_ f: @escaping (Int) -> Int) -> Int { f(1) }",
            "a remote function cannot have a closure parameter: code does not travel; pass data, or use #remote for the closure", column: 20)
    }

    @Test func `an opaque result is refused`() {
        expectRefusal(
            of: "@Remote func make(_ x: Int) -> some Codable { x }",
            "a remote function cannot return 'some': the caller must know the type to decode it; name a Codable type", column: 32)
    }

    @Test func `an instance method is refused and can be made static`() {
        expectRefusal(
            of: "struct Shop {\n    @Remote func price(_ x: Int) -> Int { x }\n}",
            "a remote function cannot be an instance method: its instance does not travel; make it static, or make the type a @RemoteActor", line: 2, column: 18,
            fix: "make it static", fixed: "struct Shop {\n    @Remote static func price(_ x: Int) -> Int { x }\n}")
    }

    @Test func `a function without parameters must be async and can be made so`() {
        expectRefusal(
            of: "@Remote func hello() -> String { \"hello\" }",
            "a remote function without parameters must be async: else its name would stand for both the function and its remote form", column: 14,
            fix: "make it async", fixed: "@Remote func hello() async -> String { \"hello\" }")
    }

    @Test func `async is put before throws`() {
        expectRefusal(
            of: "@Remote func hello() throws -> String { \"hello\" }",
            "a remote function without parameters must be async: else its name would stand for both the function and its remote form", column: 14,
            fix: "make it async", fixed: "@Remote func hello() async throws -> String { \"hello\" }")
    }

    @Test func `a local function is refused`() {
        expectRefusal(
            of: "func outer() { @Remote func inner(_ x: Int) -> Int { x } }",
            "a remote function cannot be local to a function: a worker could not reach it; move it to a file or type", column: 29)
    }

    @Test func `a function of a generic type is refused`() {
        expectRefusal(
            of: "enum Box<T> {\n    @Remote static func size(_ x: Int) -> Int { x }\n}",
            "a remote function cannot stand in a generic type or function: a worker finds it by its name, which says nothing of types", line: 2,
            column: 25)
    }

    @Test func `main.swift is refused`() {
        expectRefusal(
            of: "@Remote func square(_ x: Int) -> Int { x * x }",
            "a remote function cannot stand in main.swift: workers do not run its top-level code, so its globals would be empty there; move it to another file",
            column: 14, file: "main.swift")
    }

    @Test func `an actor is told of the other attribute`() {
        expectRefusal(of: "@Remote actor Counter {}", "@Remote is for functions; use @RemoteActor for an actor or a final class", column: 1)
    }
}

struct ActorDiagnosticTests {
    @Test func `a function is told of the other attribute`() {
        expectRefusal(of: "@RemoteActor struct Counter {}", "@RemoteActor is for an actor or a final class; use @Remote for a function", column: 14)
    }

    @Test func `a class must be final and can be made so`() {
        expectRefusal(
            of: "@RemoteActor class Counter {}", "a remote class must be final: a worker creates exactly this type", column: 20, fix: "make it final",
            fixed: "@RemoteActor final class Counter {}")
    }

    @Test func `a generic actor is refused`() {
        expectRefusal(
            of: "@RemoteActor actor Cache<Key> {}", "a remote actor cannot be generic: a worker finds it by its name, which says nothing of types", column: 25)
    }

    @Test func `a generic method is refused`() {
        expectRefusal(
            of: "@RemoteActor actor Cache {\n    func set<T>(_ x: T) {}\n}",
            "a remote method cannot be generic: a worker finds it by its name, which says nothing of types; write one for each type", line: 2, column: 13)
    }

    @Test func `a failable initializer is refused`() {
        expectRefusal(
            of: "@RemoteActor actor Cache {\n    init?(size: Int) {}\n}", "a remote actor cannot have a failable initializer; throw an error that says why", line: 2, column: 9)
    }
}

struct ClosureDiagnosticTests {
    @Test func `parameters need their types`() {
        expectExpansion(
            of: "func f() { _ = #remote(1) { x in x } }", "func f() { _ = preconditionFailure() }",
            diagnostics: [.init(message: "a remote closure needs the types of its parameters: { (x: A, y: B) in … }", line: 1, column: 29)])
    }

    @Test func `a capture list is refused`() {
        expectExpansion(
            of: "func f() { _ = #remote(1) { [y] (x: Int) in x } }", "func f() { _ = preconditionFailure() }",
            diagnostics: [.init(message: "a remote closure cannot capture: give the value as an argument", line: 1, column: 29)])
    }

    @Test func `each argument needs a parameter`() {
        expectExpansion(
            of: "func f() { _ = #remote(1, 2) { (x: Int) in x } }", "func f() { _ = preconditionFailure() }",
            diagnostics: [
                .init(message: "the closure takes 1 arguments, 2 are given; write one parameter with its type for each", line: 1, column: 30)
            ])
    }
}
