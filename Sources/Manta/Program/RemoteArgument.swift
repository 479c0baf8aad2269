// RemoteArgument: a value or a reference of it, for calls with more than three parameters, where an overload for each mix would be too many.

import MantaModel
import MantaWorker

/// Something that can stand for an argument of type `Argument`: an `ObjectReference`, a value of a common type, or any other value as `.value(x)`.
public protocol RemoteArgument<Argument> {
    associatedtype Argument
    func _add(to arguments: inout _Arguments) throws
}

extension ObjectReference: RemoteArgument {
    public typealias Argument = Value
    public func _add(to arguments: inout _Arguments) { arguments.reference(self) }
}

/// Any value as an argument; spelled `.value(x)`.
public struct ValueArgument<Argument: Encodable>: RemoteArgument {
    let value: Argument
    public func _add(to arguments: inout _Arguments) throws { try arguments.value(value) }
}

extension RemoteArgument {
    /// A value whose own type is no `RemoteArgument`.
    public static func value<Value: Encodable>(_ value: Value) -> Self where Self == ValueArgument<Value> { ValueArgument(value: value) }
}

extension RemoteArgument where Self: Encodable, Argument == Self {
    public func _add(to arguments: inout _Arguments) throws { try arguments.value(self) }
}

extension Bool: RemoteArgument { public typealias Argument = Bool }
extension String: RemoteArgument { public typealias Argument = String }
extension Double: RemoteArgument { public typealias Argument = Double }
extension Float: RemoteArgument { public typealias Argument = Float }
extension Int: RemoteArgument { public typealias Argument = Int }
extension Int8: RemoteArgument { public typealias Argument = Int8 }
extension Int16: RemoteArgument { public typealias Argument = Int16 }
extension Int32: RemoteArgument { public typealias Argument = Int32 }
extension Int64: RemoteArgument { public typealias Argument = Int64 }
extension UInt: RemoteArgument { public typealias Argument = UInt }
extension UInt8: RemoteArgument { public typealias Argument = UInt8 }
extension UInt16: RemoteArgument { public typealias Argument = UInt16 }
extension UInt32: RemoteArgument { public typealias Argument = UInt32 }
extension UInt64: RemoteArgument { public typealias Argument = UInt64 }
extension Array: RemoteArgument where Element: Encodable { public typealias Argument = Self }
extension Set: RemoteArgument where Element: Encodable { public typealias Argument = Self }
extension Optional: RemoteArgument where Wrapped: Encodable { public typealias Argument = Self }
extension Dictionary: RemoteArgument where Key: Encodable, Value: Encodable { public typealias Argument = Self }
