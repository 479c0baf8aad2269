// CSystem: what Swift cannot import from the system's C headers (variadic calls, macros, missing wrappers), and the few
// steps that must not run Swift code at all: those between vfork and exec, a signal handler, and a process that forks others. Nothing here decides anything.
//
// Functions answer a negative errno on failure, so that Swift never reads errno after reference counting touched it.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/types.h>

#include "entry.h"
#include "checksum.h"
#include "environment.h"
#include "hash.h"
#include "note.h"
#include "retain.h"
#include "shared.h"
#include "template.h"

// The event loop that runs on this thread, or null. Inline, since every hand-over of work to a loop reads it.
extern __thread void *manta_current_loop_pointer __attribute__((tls_model("initial-exec")));
static inline void *manta_current_loop(void) { return manta_current_loop_pointer; }
static inline void manta_set_current_loop(void *loop) { manta_current_loop_pointer = loop; }

// Nanoseconds of CLOCK_MONOTONIC.
int64_t manta_monotonic_nanoseconds(void);

// Waits for events for at most `nanoseconds` (negative: for ever). EINTR counts as no event.
int manta_epoll_wait(int epoll, struct epoll_event *events, int capacity, int64_t nanoseconds);

// A descriptor that becomes readable when the process ends; -ESRCH when it is gone and reaped.
int manta_pidfd_open(pid_t pid);
// Takes the exit status of a child that has ended. 1: it exited with *value, 2: signal *value killed it, 0: it still runs. *peak_memory: the most
// memory it held, in bytes.
int manta_reap(pid_t pid, int *value, int64_t *peak_memory);

pid_t manta_gettid(void);
void manta_set_thread_name(const char *name);
// A process that would get SIGKILL when the thread that made it ends gets SIGTERM then, so that it can tidy up.
int manta_end_with_parent(void);
// Raises the soft limit of open descriptors to the hard one. Answers the new limit.
int64_t manta_raise_descriptor_limit(void);

// Sends `signal` to `descriptor` (a non-blocking pipe's end) as one byte from now on, whichever thread it hits.
int manta_route_signal(int signal, int descriptor);
// Gives the signal its default action again.
int manta_unroute_signal(int signal);
int manta_nonblocking_pipe(int descriptors[2]);

// How a child starts. Descriptors of -1 mean /dev/null; `inherited` becomes the child's descriptor 3 (none when -1). Every other descriptor is closed.
struct manta_spawn_options {
    const char *path;
    char *const *arguments;
    char *const *environment;
    const char *directory;  // null: the parent's
    int output, error, inherited;
    // 0: the child gets SIGKILL when the *thread* that calls this ends, so call it on a thread that lives as long as the process: a loop's.
    // 1: the child has a session of its own and outlives its parent.
    int detached;
    // 1: the child leads a process group of its own, whose number is its pid: all that it starts can be signalled together.
    int leads_group;
};
// Starts a child: default signal actions, nothing blocked. Answers its pid, or a negative errno, also when exec itself failed.
pid_t manta_spawn(const struct manta_spawn_options *options);

// Opens and locks the file, which is made (0600) where it lacks if that is wanted. -EWOULDBLOCK: another process holds it. The lock lasts until the
// descriptor is closed.
int manta_lock_file(const char *path, bool make);

// Lets the kernel end this process, and what it forks, before others of the machine when memory runs out. Without effect where that is not permitted.
void manta_offer_to_oom_killer(void);

// Lines that this process prints leave at once, also into a file.
void manta_line_buffer_output(void);
