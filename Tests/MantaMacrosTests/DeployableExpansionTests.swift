// DeployableExpansionTests: the record of a backend, and what cannot have one.

import SwiftSyntaxMacroExpansion
import SwiftSyntaxMacrosGenericTestSupport
import Testing

struct DeployableExpansionTests {
    @Test func aBackendGetsARecord() {
        expectExpansion(
            of: """
                @Deployable struct Classifier: Backend {
                }
                """,
            """
            struct Classifier: Backend {

                @section("manta_records") @used nonisolated private static let _record: MantaServe::_BackendRecord = (4, 1, { unsafe MantaServe::_register($0, backend: Classifier.self) }, 0)
            }
            """)
    }

    @Test func genericAndPrivateTypesAreRefused() {
        expectRefusal(
            of: "@Deployable private struct Model: Backend {}", "a backend that is deployed by its name cannot be private: other processes have another name for it",
            column: 1)
        expectRefusal(
            of: "@Deployable struct Model<Input>: Backend {}", "a backend that is deployed by its name cannot be generic: the name says nothing of types", column: 25)
        expectRefusal(of: "@Deployable protocol Model {}", "@Deployable is for a struct, final class, actor or enum that conforms to Backend", column: 1)
    }
}
