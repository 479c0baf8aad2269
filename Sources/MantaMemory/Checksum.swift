// Checksum: what tells damaged bytes from whole ones: CRC-32C.

import CSystem

/// The CRC-32C (RFC 3720) of some bytes.
package func checksum(of bytes: UnsafeRawBufferPointer) -> UInt32 { manta_crc32c(0, bytes.baseAddress, bytes.count) }
