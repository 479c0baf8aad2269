// RoleEntry: where a process that was started in a role begins, instead of the program's main.
//
// C code has taken over the start (see CSystem's entry); everything of Swift is ready. The role leaves the environment at once, so that programs which
// user code starts do not begin in it too. The main thread belongs to the role; it ends by serving the main queue, for `@MainActor` code.

import Glibc
import MantaLoop
import MantaWorker

@_cdecl("manta_role_main")
func roleMain(_ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?, _ environment: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> Int32 {
    let role = getenv("MANTA_ROLE").map { String(cString: $0) } ?? ""
    unsetenv("MANTA_ROLE")
    play(role: role)
    let message = "manta: the role \"\(role)\" in MANTA_ROLE is unknown; expected one of \(roleNames.joined(separator: ", "))\n"
    _ = message.withCString { write(2, $0, strlen($0)) }
    return 64
}

/// Runs once in a process that forks workers, before the first: what it makes they share. It must not touch tasks or Dispatch, which do not survive a fork.
@_cdecl("manta_template_warm")
func warmTemplate() {
    _ = Machine.identity
    _ = try? ProgramSettings()
    _ = try? _Reply(0)
    _ = try? headEndpoint(ProcessEnvironment[Variable.address] ?? "")
    if let program = try? Records.program.get() { Runtime.rehearse(program) }
}
