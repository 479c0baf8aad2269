// entry: how a process that was started in a role begins, and how the records that macros leave in an executable are found.
#pragma once
#include <stddef.h>

/// The environment variable that starts this executable in a role instead of its own main.
#define MANTA_ROLE_VARIABLE "MANTA_ROLE"

/// Calls `found` with the address and size of every section of this name in the executable and its libraries, in load order.
/// Returns the number of images whose file could not be read.
int manta_each_section(const char *name, void (*found)(const void *start, size_t size, void *context), void *context);
