// NumericThreads: how many threads the numeric libraries in a worker use: as many as the CPUs that it was given, since each would take the whole machine.

import Glibc
import MantaModel

/// What OpenMP, MKL and OpenBLAS read when they are loaded.
enum NumericThreads {
    private static let variables = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"]

    /// Added to the environment of a worker; nothing when the user has set any of the variables for the program or for the node: each also speaks for others.
    /// - Parameter resources: What the worker holds for life; tasks, which come and go, compute in one thread.
    static func environment(of program: Program, holding resources: Resources?) -> [String: String] {
        guard !variables.contains(where: { program.environment[$0] != nil || getenv($0) != nil }) else { return [:] }
        let count = max(1, Int(resources?[Resources.cpu].value ?? 1))
        return Dictionary(uniqueKeysWithValues: variables.map { ($0, "\(count)") })
    }
}
