// ProcessTests: the running platform driven only from outside: by HTTP, by the command line and by the admin API.
//
// Its suites run one after the other: each starts clusters of its own, and the machine has few cores.

import Testing

@Suite(.serialized, .timeLimit(.minutes(10)))
enum ProcessTests {}
