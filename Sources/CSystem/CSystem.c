// CSystem.c: the system calls behind CSystem.h.
//
// Owns nothing but the table of routed signals. What always holds: failures are negative errno values, every descriptor made here closes on exec, and
// between vfork and exec there are system calls only.
#define _GNU_SOURCE
#include "CSystem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

__thread void *manta_current_loop_pointer __attribute__((tls_model("initial-exec")));

int64_t manta_monotonic_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int manta_epoll_wait(int epoll, struct epoll_event *events, int capacity, int64_t nanoseconds) {
    // Older kernels know milliseconds only; a wait is then rounded up, never down, or the loop would spin until the timer is due.
    static _Atomic int has_nanoseconds = 1;
    int count;
    if (nanoseconds > 0 && has_nanoseconds) {
        struct timespec limit = {.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000};
        count = epoll_pwait2(epoll, events, capacity, &limit, NULL);
        if (count >= 0 || errno == EINTR) return count < 0 ? 0 : count;
        if (errno != ENOSYS && errno != EPERM) return -errno;
        has_nanoseconds = 0;
    }
    int64_t milliseconds = nanoseconds < 0 ? -1 : (nanoseconds + 999999) / 1000000;
    count = epoll_wait(epoll, events, capacity, milliseconds > 3600000 ? 3600000 : (int)milliseconds);
    if (count >= 0) return count;
    return errno == EINTR ? 0 : -errno;
}

int manta_pidfd_open(pid_t pid) {
    int descriptor = (int)syscall(SYS_pidfd_open, pid, 0);
    return descriptor < 0 ? -errno : descriptor;
}

int manta_reap(pid_t pid, int *value, int64_t *peak_memory) {
    int status;
    struct rusage usage;
    pid_t found;
    do found = wait4(pid, &status, WNOHANG, &usage);
    while (found < 0 && errno == EINTR);
    if (found < 0) return -errno;
    if (found == 0) return 0;
    *peak_memory = (int64_t)usage.ru_maxrss * 1024;
    *value = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
    return WIFEXITED(status) ? 1 : 2;
}

pid_t manta_gettid(void) { return (pid_t)syscall(SYS_gettid); }

void manta_set_thread_name(const char *name) {
    char text[16];  // the kernel's limit
    strncpy(text, name, sizeof text - 1);
    text[sizeof text - 1] = 0;
    pthread_setname_np(pthread_self(), text);
}

int manta_end_with_parent(void) {
    int signal = 0;
    if (prctl(PR_GET_PDEATHSIG, &signal) < 0) return -errno;
    if (signal == SIGKILL && prctl(PR_SET_PDEATHSIG, SIGTERM) < 0) return -errno;
    return 0;
}

int64_t manta_raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
    return (int64_t)limit.rlim_cur;
}

// A handler and not a signalfd: a signalfd needs the signal blocked in every thread, and threads of other libraries that began earlier have it unblocked;
// the kernel would hand them the signal, with its default action. A handler works whichever thread is hit, and children inherit no blocked mask.
static _Atomic int signal_targets[65];

static void forward_signal(int signal) {
    int saved = errno;
    unsigned char byte = (unsigned char)signal;
    ssize_t ignored = write(signal_targets[signal], &byte, 1);  // a full pipe already says what is to be said
    (void)ignored;
    errno = saved;
}

int manta_route_signal(int signal, int descriptor) {
    if (signal < 1 || signal > 64) return -EINVAL;
    signal_targets[signal] = descriptor;
    struct sigaction action = {.sa_handler = forward_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (sigaction(signal, &action, NULL) < 0) return -errno;
    sigset_t set;  // the parent may have blocked it
    sigemptyset(&set);
    sigaddset(&set, signal);
    return -pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int manta_unroute_signal(int signal) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigemptyset(&action.sa_mask);
    return sigaction(signal, &action, NULL) < 0 ? -errno : 0;
}

int manta_nonblocking_pipe(int descriptors[2]) { return pipe2(descriptors, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0; }

// Between vfork and exec: system calls only, on the parent's memory, which the suspended parent lends.
__attribute__((noreturn)) static void become(const struct manta_spawn_options *options, const int sources[4], pid_t parent, volatile int *failure) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number <= 64; number++) sigaction(number, &standard, NULL);
    if (options->detached) {
        setsid();
    } else {
        // The parent may have died before the kernel heard of the wish.
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) _exit(127);
        if (options->leads_group && setpgid(0, 0) < 0) goto failed;
    }
    // Sources first move out of the way of the targets 0 to 3.
    int moved[4];
    for (int target = 0; target < 4; target++) {
        moved[target] = sources[target] < 0 ? -1 : fcntl(sources[target], F_DUPFD_CLOEXEC, 10);
        if (sources[target] >= 0 && moved[target] < 0) goto failed;
    }
    for (int target = 0; target < 4; target++)
        if (moved[target] >= 0 && dup2(moved[target], target) < 0) goto failed;
    if (syscall(SYS_close_range, moved[3] >= 0 ? 4 : 3, ~0U, 0) < 0) goto failed;
    if (options->directory && chdir(options->directory) < 0) goto failed;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(options->path, options->arguments, options->environment);
failed:
    *failure = errno;
    _exit(127);
}

pid_t manta_spawn(const struct manta_spawn_options *options) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return -errno;
    const int sources[4] = {null, options->output < 0 ? null : options->output, options->error < 0 ? null : options->error, options->inherited};
    volatile int failure = 0;
    pid_t parent = getpid();
    // No handler may run in the child while it shares our memory.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pid_t child = vfork();
    if (child == 0) become(options, sources, parent, &failure);
    int forked = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(null);
    if (child < 0) return -forked;
    if (failure) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
        return -failure;
    }
    return child;
}

int manta_lock_file(const char *path, bool make) {
    for (;;) {
        int descriptor = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (make ? O_CREAT : 0), 0600);
        if (descriptor < 0) return -errno;
        if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
            int failure = errno;
            close(descriptor);
            return -failure;
        }
        // Whoever held it may have removed it meanwhile: the lock must be of the file that others find.
        struct stat held, found;
        if (fstat(descriptor, &held) == 0 && stat(path, &found) == 0 && held.st_ino == found.st_ino && held.st_dev == found.st_dev) return descriptor;
        close(descriptor);
    }
}

void manta_offer_to_oom_killer(void) {
    // What is forked has the score of its parent, and this.
    static int is_offered;
    if (is_offered) return;
    is_offered = 1;
    int descriptor = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) return;
    (void)!write(descriptor, "1000", 4);
    close(descriptor);
}

void manta_line_buffer_output(void) { setvbuf(stdout, NULL, _IOLBF, 0); }
