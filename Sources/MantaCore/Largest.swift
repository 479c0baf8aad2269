// Largest: the largest of many things, at most so many of them, found in one pass without sorting all.
//
// A heap whose first element is the smallest of those that are kept: most of the many are passed over with one comparison.

package struct Largest<Element> {
    private let limit: Int
    private let isSmaller: (Element, Element) -> Bool
    private var heap: [Element] = []

    /// - Parameter isSmaller: a strict order, in which no two elements are equal.
    package init(_ limit: Int, by isSmaller: @escaping (Element, Element) -> Bool) { (self.limit, self.isSmaller) = (max(0, limit), isSmaller) }

    package mutating func add(_ element: Element) {
        if heap.count < limit {
            heap.append(element)
            rise(heap.count - 1)
        } else if let smallest = heap.first, isSmaller(smallest, element) {
            heap[0] = element
            sink()
        }
    }

    /// The largest first.
    package var sorted: [Element] { heap.sorted { isSmaller($1, $0) } }

    private mutating func rise(_ index: Int) {
        var index = index
        while index > 0, isSmaller(heap[index], heap[(index - 1) / 2]) {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    private mutating func sink() {
        var index = 0
        while true {
            var smallest = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count && isSmaller(heap[child], heap[smallest]) { smallest = child }
            guard smallest != index else { return }
            heap.swapAt(index, smallest)
            index = smallest
        }
    }
}
