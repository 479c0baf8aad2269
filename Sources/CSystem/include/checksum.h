// checksum.h: CRC-32C (RFC 3720, appendix B.4), with the processor's instruction where it has one.
#pragma once
#include <stddef.h>
#include <stdint.h>

// The checksum of `length` more bytes behind those whose checksum is `before`; 0 at the beginning.
uint32_t manta_crc32c(uint32_t before, const void *bytes, size_t length);
