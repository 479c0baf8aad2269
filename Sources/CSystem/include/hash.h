// hash: what a file's content is known by.
#pragma once
#include <stdint.h>

// The 128 bits of the file's content; a negative errno when it cannot be read.
int manta_hash_file(const char *path, uint64_t result[2]);
