// checksum.c: CRC-32C by the processor's instruction, else by a table. Three streams would be faster yet; a disk is slower than one.
#include "checksum.h"

#include <string.h>

static uint32_t by_table(uint32_t crc, const unsigned char *bytes, size_t length) {
    static uint32_t table[256];
    static int is_made;
    // Made twice by two threads at once it is the same table.
    if (!__atomic_load_n(&is_made, __ATOMIC_ACQUIRE)) {
        for (uint32_t index = 0; index < 256; index++) {
            uint32_t value = index;
            for (int bit = 0; bit < 8; bit++) value = value & 1 ? value >> 1 ^ 0x82f63b78u : value >> 1;
            __atomic_store_n(&table[index], value, __ATOMIC_RELAXED);
        }
        __atomic_store_n(&is_made, 1, __ATOMIC_RELEASE);
    }
    while (length--) crc = crc >> 8 ^ table[(crc ^ *bytes++) & 0xff];
    return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const unsigned char *bytes, size_t length) {
    uint64_t wide = crc;
    for (; length >= 8; length -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    while (length--) crc = __builtin_ia32_crc32qi(crc, *bytes++);
    return crc;
}
#endif

uint32_t manta_crc32c(uint32_t before, const void *bytes, size_t length) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return ~by_instruction(~before, bytes, length);
#endif
    return ~by_table(~before, bytes, length);
}
