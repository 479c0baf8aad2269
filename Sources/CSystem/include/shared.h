// shared.h: memory and pipes that two processes of one user share without a name in any file system: they are opened through the process that made
// them (/proc/PID/fd/N), so nothing is left behind when both have ended, however they ended.
//
// Functions answer a negative errno on failure. Whatever another process names is checked before it is used: a wrong number never blocks, and a mapping
// can neither shrink nor grow under its users.
#pragma once

#include <stdint.h>
#include <sys/types.h>

// A memory file of `size` zero bytes whose size is sealed.
int manta_memory_create(const char *name, int64_t size);
// Opens the memory file that is descriptor `number` of the process. -EINVAL: it is none, is not sealed, or has another size.
int manta_memory_open(pid_t process, int number, int64_t size);
// Opens the writing end of the pipe that is descriptor `number` of the process. -EINVAL: it is no pipe.
int manta_pipe_open(pid_t process, int number);
// The process of this user at the other end of a Unix socket, as the kernel knows it; -EINVAL: another kind of socket, -EACCES: another user.
pid_t manta_peer_process(int socket);
