// RoutineMessages: what a tick of the task book says about leases that are held for long, gathered so that each peer gets one message a tick: a program
// that is nested deeply holds very many leases.

import MantaModel
import MantaTransport
import MantaWire

struct RoutineMessages {
    /// Leases that this process holds, by their nodes.
    var confirmations: [NodeAddress: [LeaseID]] = [:]
    /// Tasks that nothing was heard of, by their workers.
    var inquiries: [ProcessAddress: [InquireTasks.Inquiry]] = [:]
}

extension Owner {
    /// Sends what was gathered.
    func sendRoutineMessages() {
        guard !routine.confirmations.isEmpty || !routine.inquiries.isEmpty else { return }
        let gathered = routine
        routine = RoutineMessages()
        for (node, leases) in gathered.confirmations { if let message = ConfirmLease(leases) { link(to: node).send(message) } }
        for (worker, inquiries) in gathered.inquiries { if let message = InquireTasks(inquiries) { link(to: worker).send(message) } }
    }
}
