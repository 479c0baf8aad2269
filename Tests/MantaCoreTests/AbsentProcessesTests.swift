// AbsentProcessesTests: who is given up with its machine although its link had ended before.

import MantaCore
import MantaModel
import Testing

@Suite struct AbsentProcessesTests {
    @Test func thoseThatLeftGoWithTheirMachineUnlessTheyCameBackOrEnded() {
        var absent = AbsentProcesses()
        let (gone, back, ended, elsewhere) = (ProcessID.random(), ProcessID.random(), ProcessID.random(), ProcessID.random())
        for process in [gone, back, ended] { absent.left(process, machine: "one") }
        absent.left(elsewhere, machine: "two")
        absent.settled(back)
        absent.settled(ended)
        #expect(absent.machineLost("one") == [gone])
        #expect(absent.machineLost("one") == [], "once")
        #expect(absent.machineLost("two") == [elsewhere])
    }

    @Test func ofTooManyTheFirstAreForgotten() {
        var absent = AbsentProcesses(limit: 2)
        let processes = (0..<3).map { _ in ProcessID.random() }
        for process in processes { absent.left(process, machine: "one") }
        #expect(absent.machineLost("one") == Array(processes.dropFirst()))
    }
}
