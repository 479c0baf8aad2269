// Node+Arguments: requests for leases whose tasks have large arguments: those are in this node's store before a worker is taken. `ArgumentBook` decides.

import MantaCore
import MantaLoop
import MantaModel
import MantaWire

extension Node {
    /// A request that names arguments. Where it would not be served now, nothing is brought.
    func requestWithArguments(_ request: LeaseRequest) {
        if book.knows(request.lease) { return book.requestLease(request, at: loop.now) { perform($0) } }
        guard !arguments.knows(request.lease), !book.sendOn(request, perform: { perform($0) }) else { return }
        arguments.requested(request, isHere: { store.book.isResident($0) }) { perform($0) }
    }

    func argumentsAreFree(_ lease: LeaseID) {
        if !arguments.isEmpty { arguments.ended(lease) { perform($0) } }
    }

    func dropArguments(where isGone: (LeaseRequest) -> Bool) {
        if !arguments.isEmpty { arguments.dropRequests(where: isGone) { perform($0) } }
    }

    func tickArguments() {
        if !arguments.isEmpty { arguments.tick(isHeld: { book.holds($0) }) { perform($0) } }
    }

    private func brought(_ argument: ArgumentLocation, _ failure: MantaError?) {
        arguments.brought(argument.object, failure) { perform($0) }
    }

    private func perform(_ action: ArgumentBook.Action) {
        switch action {
        case .bring(let argument):
            let order = OpenObject(object: argument.object, owner: argument.owner, size: argument.size, sources: argument.sources)
            store.open(order) { [weak self] result in
                self?.brought(argument, result.failure)
            }
        case .promise(let objects): store.book.promise(objects)
        case .withdraw(let objects): store.book.withdraw(objects)
        case .serve(let request): book.requestLease(request, at: loop.now) { perform($0) }
        case .decline(let request, let error): book.sendAway(request, because: error) { perform($0) }
        }
    }
}
