// CommandFailure: how a command says that it could not do what was asked: one message on standard error, and a status.

import Foundation
import MantaModel

struct CommandFailure: Error, CustomStringConvertible {
    /// What went wrong, where, and what to do.
    let description: String
    let status: Int32

    init(_ description: String, status: Int32 = 1) { (self.description, self.status) = (description, status) }
}

extension CommandFailure {
    /// Any error as a message for people.
    static func text(of error: any Error) -> String {
        switch error {
        case let failure as CommandFailure: failure.description
        case let error as MantaError: error.message
        default: String(describing: error)
        }
    }

    static func report(_ error: any Error) {
        FileHandle.standardError.write(Data("manta: \(text(of: error))\n".utf8))
    }
}
