// In tests, encoded values are written as lists of bytes.

import MantaWire

extension ValueBytes: ExpressibleByArrayLiteral {
    public init(arrayLiteral elements: UInt8...) { self = .array(elements) }
}
