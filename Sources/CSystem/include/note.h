// note: which task a worker runs, in a page of memory that the worker writes and its node can read at any time, also after the worker was killed.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define MANTA_NOTE_BYTES 1024

// A descriptor of a new one, closed on exec, or a negative errno.
int manta_note_create(void);
// Null when it cannot be mapped.
void *manta_note_map(int descriptor);
void manta_note_unmap(void *page);
// The task's identifier and its function's name, of which what does not fit is cut. One writer at a time.
void manta_note_write(void *page, uint64_t high, uint64_t low, const void *text, size_t length);
// How many bytes of `text`, which has room for MANTA_NOTE_BYTES, were read; 0 while it is written.
int manta_note_read(void *page, uint64_t *high, uint64_t *low, void *text);
