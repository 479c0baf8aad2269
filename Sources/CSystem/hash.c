// hash: the hash of a file's content (MurmurHash3's 128 bits): it tells versions of a program apart and finds what was damaged on its way, as fast as the
// file can be read, also in a debug build. It is no defence against someone who makes two programs of one hash: who may do that may run programs anyway.

#include "hash.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static inline uint64_t rotate(uint64_t value, int bits) { return (value << bits) | (value >> (64 - bits)); }

static inline uint64_t finish(uint64_t value) {
    value ^= value >> 33;
    value *= 0xff51afd7ed558ccdULL;
    value ^= value >> 33;
    value *= 0xc4ceb9fe1a85ec53ULL;
    return value ^ (value >> 33);
}

static void hash_bytes(const uint8_t *bytes, size_t size, uint64_t result[2]) {
    const uint64_t c1 = 0x87c37b91114253d5ULL, c2 = 0x4cf5ad432745937fULL;
    uint64_t first = 0, second = 0, pair[2];
    size_t place = 0;
    for (; place < size; place += 16) {
        // The last pair is filled with zeros; the size, which goes in below, tells it from one that has them.
        size_t rest = size - place < 16 ? size - place : 16;
        if (rest < 16) memset(pair, 0, sizeof pair);
        memcpy(pair, bytes + place, rest);
        first ^= rotate(pair[0] * c1, 31) * c2;
        first = (rotate(first, 27) + second) * 5 + 0x52dce729;
        second ^= rotate(pair[1] * c2, 33) * c1;
        second = (rotate(second, 31) + first) * 5 + 0x38495ab5;
    }
    first ^= size;
    second ^= size;
    first += second;
    second += first;
    first = finish(first);
    second = finish(second);
    first += second;
    result[0] = first;
    result[1] = second + first;
}

int manta_hash_file(const char *path, uint64_t result[2]) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return -errno;
    struct stat status;
    int error = 0;
    if (fstat(descriptor, &status) != 0) {
        error = -errno;
    } else if (status.st_size == 0) {
        hash_bytes(NULL, 0, result);
    } else {
        void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (bytes == MAP_FAILED) {
            error = -errno;
        } else {
            madvise(bytes, (size_t)status.st_size, MADV_SEQUENTIAL);
            hash_bytes(bytes, (size_t)status.st_size, result);
            munmap(bytes, (size_t)status.st_size);
        }
    }
    close(descriptor);
    return error;
}
