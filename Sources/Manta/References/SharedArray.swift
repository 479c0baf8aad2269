// SharedArray: numbers that are read where they lie: in the shared memory of this machine, without a copy, for as long as a copy of this value lives.
//
// What always holds: the elements never change; they lie at a multiple of 64 bytes when the array came from a node's object store.

import MantaModel
import MantaWire

/// A number that arrays of the platform may hold: whole numbers of 8 to 64 bits, `Float`, `Double`.
public protocol SharedElement: BitwiseCopyable, Sendable, Codable, Hashable {
    /// For the library; names the element on the wire.
    static var _kind: UInt8 { get }
}

extension Float: SharedElement { public static var _kind: UInt8 { arrayKind.rawValue } }
extension Double: SharedElement { public static var _kind: UInt8 { arrayKind.rawValue } }
extension Int: SharedElement { public static var _kind: UInt8 { arrayKind.rawValue } }
extension Int8: SharedElement { public static var _kind: UInt8 { arrayKind.rawValue } }
extension Int16: SharedElement { public static var _kind: UInt8 { arrayKind.rawValue } }
extension Int32: SharedElement { public static var _kind: UInt8 { arrayKind.rawValue } }
extension Int64: SharedElement { public static var _kind: UInt8 { arrayKind.rawValue } }
extension UInt: SharedElement { public static var _kind: UInt8 { arrayKind.rawValue } }
extension UInt8: SharedElement { public static var _kind: UInt8 { arrayKind.rawValue } }
extension UInt16: SharedElement { public static var _kind: UInt8 { arrayKind.rawValue } }
extension UInt32: SharedElement { public static var _kind: UInt8 { arrayKind.rawValue } }
extension UInt64: SharedElement { public static var _kind: UInt8 { arrayKind.rawValue } }

/// An array of numbers whose elements are read in place.
///
/// A parameter, a result or a reference of this type costs no copy on the machine where its elements lie: `let weights = try await reference.value` of an
/// `ObjectReference<SharedArray<Float>>` returns in microseconds, whatever its size. It is coded as `[Element]` is, so one side may say `[Float]` and the
/// other `SharedArray<Float>`.
///
/// While a copy of it lives, its elements stay in the machine's object store, also after every reference to the object is gone. Copy what is kept for long
/// (`Array(array)`) and let the rest go.
public struct SharedArray<Element: SharedElement>: Sendable, RandomAccessCollection {
    private let storage: Storage

    /// Keeps the elements where they are.
    private final class Storage: Sendable {
        /// `nonisolated(unsafe)`: nobody writes to them.
        nonisolated(unsafe) let elements: UnsafeBufferPointer<Element>
        private let owner: Owner

        private enum Owner: Sendable {
            /// Bytes in a store.
            case bytes(ValueBytes)
            /// Memory of this array.
            case own
        }

        /// Elements in place; nil when they are not where elements of this type can be read.
        init?(viewing place: NumberArrayPlace) {
            guard case .mapped = place.bytes else { return nil }
            let bytes = place.bytes.withUnsafeBytes { UnsafeRawBufferPointer(rebasing: $0[place.range]) }
            guard UInt(bitPattern: bytes.baseAddress) % UInt(MemoryLayout<Element>.alignment) == 0 else { return nil }
            elements = bytes.bindMemory(to: Element.self)
            owner = .bytes(place.bytes)
        }

        init(copying bytes: UnsafeRawBufferPointer) {
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: Swift.max(bytes.count, 1), alignment: NumberArrayKind.alignment)
            copy.copyMemory(from: bytes)
            elements = UnsafeBufferPointer(UnsafeMutableRawBufferPointer(rebasing: copy[..<bytes.count]).bindMemory(to: Element.self))
            owner = .own
        }

        deinit {
            if case .own = owner { UnsafeRawPointer(elements.baseAddress)?.deallocate() }
        }
    }

    private init(storage: Storage) { self.storage = storage }

    /// A copy of the elements, in memory of its own.
    public init(_ elements: some Sequence<Element>) { storage = Array(elements).withUnsafeBytes { Storage(copying: $0) } }

    public var startIndex: Int { 0 }
    public var endIndex: Int { storage.elements.count }

    public subscript(_ index: Int) -> Element {
        precondition(index >= 0 && index < count, "index \(index) is outside of an array of \(count)")
        return storage.elements[index]
    }

    /// The elements, for code that borrows them: as quick as an array's.
    public var span: Span<Element> {
        @_lifetime(borrow self)
        get { _overrideLifetime(Span(_unsafeElements: storage.elements), borrowing: self) }
    }

    /// Calls `body` with the elements; the pointer is valid only in there.
    public func withUnsafeBufferPointer<Result, Failure: Error>(_ body: (UnsafeBufferPointer<Element>) throws(Failure) -> Result) throws(Failure) -> Result {
        try body(storage.elements)
    }

    /// The same, for the standard library's algorithms.
    public func withContiguousStorageIfAvailable<Result>(_ body: (UnsafeBufferPointer<Element>) throws -> Result) rethrows -> Result? {
        try body(storage.elements)
    }
}

extension SharedArray: Codable {
    public init(from decoder: any Decoder) throws {
        guard let place = try NumberArrayPlace.next(in: decoder), place.kind.rawValue == Element._kind else {
            self.init(try [Element](from: decoder))
            return
        }
        self.init(storage: Storage(viewing: place) ?? place.bytes.withUnsafeBytes { Storage(copying: UnsafeRawBufferPointer(rebasing: $0[place.range])) })
    }

    public func encode(to encoder: any Encoder) throws {
        guard let kind = NumberArrayKind(rawValue: Element._kind),
            NumberArrayPlace.write(kind, UnsafeRawBufferPointer(storage.elements), keptBy: storage, to: encoder)
        else { return try Array(self).encode(to: encoder) }
    }
}

extension SharedArray: Hashable {
    public static func == (left: Self, right: Self) -> Bool { left.elementsEqual(right) }
    public func hash(into hasher: inout Hasher) {
        hasher.combine(count)
        for element in self { hasher.combine(element) }
    }
}

extension SharedArray: CustomStringConvertible {
    /// The first elements, and how many there are.
    public var description: String {
        let first = prefix(8).map { String(describing: $0) }.joined(separator: ", ")
        return count > 8 ? "[\(first), … \(count) elements]" : "[\(first)]"
    }
}

extension ObjectReference {
    /// The same object, read in place: its `value` is a `SharedArray`, which costs no copy on the machine where the object lies.
    public func inPlace<Element: SharedElement>() -> ObjectReference<SharedArray<Element>> where Value == [Element] { ObjectReference<SharedArray<Element>>(handle) }
}
