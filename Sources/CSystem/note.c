// note.c: the page behind note.h. A version that is odd while somebody writes tells a reader that what it read is torn.
#define _GNU_SOURCE
#include "note.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct note {
    _Atomic uint32_t version;
    uint32_t length;
    uint64_t high, low;
    char text[MANTA_NOTE_BYTES];
};

int manta_note_create(void) {
    int descriptor = memfd_create("manta-note", MFD_CLOEXEC);
    if (descriptor < 0) return -errno;
    if (ftruncate(descriptor, sizeof(struct note)) == 0) return descriptor;
    int error = errno;
    close(descriptor);
    return -error;
}

void *manta_note_map(int descriptor) {
    void *page = mmap(NULL, sizeof(struct note), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    return page == MAP_FAILED ? NULL : page;
}

void manta_note_unmap(void *page) { munmap(page, sizeof(struct note)); }

void manta_note_write(void *page, uint64_t high, uint64_t low, const void *text, size_t length) {
    struct note *note = page;
    if (length > MANTA_NOTE_BYTES) length = MANTA_NOTE_BYTES;
    uint32_t version = atomic_load_explicit(&note->version, memory_order_relaxed) | 1;
    atomic_store_explicit(&note->version, version, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    note->high = high;
    note->low = low;
    memcpy(note->text, text, length);
    note->length = (uint32_t)length;
    atomic_store_explicit(&note->version, version + 1, memory_order_release);
}

int manta_note_read(void *page, uint64_t *high, uint64_t *low, void *text) {
    struct note *note = page;
    uint32_t version = atomic_load_explicit(&note->version, memory_order_acquire);
    uint32_t length = note->length;
    if ((version & 1) || length > MANTA_NOTE_BYTES) return 0;
    *high = note->high;
    *low = note->low;
    memcpy(text, note->text, length);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&note->version, memory_order_relaxed) == version ? (int)length : 0;
}
