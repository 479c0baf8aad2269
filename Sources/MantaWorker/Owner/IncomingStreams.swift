// Incoming streams: the items of this process's streaming tasks and calls, as their workers send them.
//
// Items become objects of this process. How many were taken is told to the worker now and then, so that it makes more; a worker that runs the task again
// is told as soon as it waits; one whose actor has a limit for all its streams is told of each, until the last was taken, also when the call has ended.

import MantaCore
import MantaLoop
import MantaModel
import MantaTransport
import MantaWire

/// Where a stream's items come from.
struct StreamSource {
    var link: Link
    var attempt: UInt32
    /// How many the worker may leave untaken.
    var window: Int
    /// How many it sent, in this attempt.
    var sent = 0
    /// What it was told last.
    var told = 0
    /// The stream itself, when items that nobody took hold up others of its actor.
    var sharing: StreamHandle?
}

extension Owner {
    func streamItem(_ item: StreamItem, from link: Link) {
        guard let submission = pending(item.task), let result = submission.results.first, let stream = result.stream else { return }
        // The object behind the task's own result.
        let id = ObjectID(task: item.task, index: UInt32(clamping: item.index + 1))
        var source = streamSources[item.task] ?? StreamSource(link: link, attempt: item.attempt, window: 1)
        // An attempt that was given up.
        if item.attempt < source.attempt { return remade(item, as: id) }
        if source.attempt != item.attempt { source = StreamSource(link: link, attempt: item.attempt, window: 1) }
        (source.link, source.window, source.sent) = (link, max(1, Int(item.window)), Int(clamping: item.index) + 1)
        if item.sharesWindow == true { source.sharing = stream }
        streamSources[item.task] = source
        if !stream.expects(Int(clamping: item.index)) {
            remade(item, as: id)
        } else if submission.isAgain {
            remade(item, as: id)
            stream.add(result)
        } else {
            objects.created(id, source: submission.title, size: item.value.size, on: item.value.node, at: loop.now)
            if !item.contents.isEmpty { contain(item.contents, in: id) }
            let handle = stream.promised ?? ObjectHandle(id: id, owner: address, keeper: runtime, outcome: .init(item.value))
            handle.settle(.init(item.value))
            if let node = item.value.node {
                // Its loss is heard of by the link to it.
                _ = self.link(to: node)
                noteUse(of: node)
                remember(submission, for: handle)
            }
            stream.add(handle)
        }
        tellConsumed(item.task, stream)
    }

    /// The consumer of a stream took something, or left.
    func streamMoved(_ task: TaskID) {
        let hasEnded = pending(task) == nil
        guard let stream = pending(task)?.results.first?.stream ?? streamSources[task]?.sharing else { return streamSources[task] = nil }
        tellConsumed(task, stream)
        if hasEnded, let source = streamSources[task], source.told >= source.sent { streamSources[task] = nil }
    }

    private func tellConsumed(_ task: TaskID, _ stream: StreamHandle) {
        guard let source = streamSources[task] else { return }
        let consumed = stream.consumed
        let isWaiting = source.sent - source.told >= source.window
        guard consumed > source.told,
            consumed - source.told >= max(1, source.window / 2) || isWaiting && consumed == source.sent || consumed == .max || source.sharing != nil
        else { return }
        streamSources[task]?.told = consumed
        source.link.send(StreamConsumed(task: task, count: UInt64(consumed)))
    }

    /// A task or call that has not ended.
    func pending(_ task: TaskID) -> Submission? {
        if let target = calls[task] { return target.queue.payload(of: task).map(submission) }
        return tasks?.payload(of: task).map(submission)
    }
}
