// template: see template.h.
//
// What always holds: a template has one thread, and has touched neither Swift's concurrency nor Dispatch, which do not survive a fork. Each request is one
// packet with two or three descriptors, answered by one packet with a pid or a negative errno. What is forked is handed to the process that asked: the
// template's child, which forks it, ends at once, and the asking process adopts the orphan. So the end of a template is nobody else's end.
#define _GNU_SOURCE
#include "template.h"
#include "CSystem.h"
#include "entry.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { requests = 3, most_descriptors = 3 };

extern int manta_role_main(int argc, char **argv, char **envp) __attribute__((weak));
// Touches what every worker will need, so that it is shared; runs before the first fork.
extern void manta_template_warm(void) __attribute__((weak));

// MARK: The process that asks

int manta_adopt_orphans(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ? -errno : 0; }

pid_t manta_reap_stranger(int (*is_known)(pid_t pid, void *context), void *context) {
    siginfo_t info = {0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0 || is_known(info.si_pid, context)) return 0;
    return waitpid(info.si_pid, NULL, WNOHANG);
}

int manta_template_sockets(int sockets[2]) { return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0 ? -errno : 0; }

int manta_template_is_ready(int socket) {
    int32_t greeting = -1;
    ssize_t count = recv(socket, &greeting, sizeof greeting, MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    return count == sizeof greeting && greeting == 0 ? 1 : -ECONNRESET;
}

pid_t manta_template_fork(int socket, const char *variables, size_t length, int output, int error, int inherited, int milliseconds) {
    if (length > MANTA_TEMPLATE_VARIABLES) return -E2BIG;
    const int descriptors[most_descriptors] = {output, error, inherited};
    size_t size = sizeof(int) * (inherited < 0 ? 2 : 3);
    union {
        char bytes[CMSG_SPACE(sizeof descriptors)];
        struct cmsghdr alignment;
    } control = {0};
    struct iovec body = {.iov_base = (void *)variables, .iov_len = length};
    struct msghdr message = {.msg_iov = &body, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(size)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(size)};
    memcpy(CMSG_DATA(header), descriptors, size);
    if (sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return -errno;
    struct pollfd answer = {.fd = socket, .events = POLLIN};
    int ready;
    do ready = poll(&answer, 1, milliseconds);
    while (ready < 0 && errno == EINTR);
    if (ready <= 0) return ready < 0 ? -errno : -ETIMEDOUT;
    int32_t pid = 0;
    ssize_t count = recv(socket, &pid, sizeof pid, MSG_DONTWAIT);
    if (count == sizeof pid && pid != 0) return pid;
    return count < 0 ? -errno : -ECONNRESET;
}

// MARK: The template

static char variables[MANTA_TEMPLATE_VARIABLES + 1];

// The next request's descriptors; the length of its variables, or -1 when the asking process is gone.
static ssize_t receive(int descriptors[most_descriptors], int *count) {
    union {
        char bytes[CMSG_SPACE(sizeof(int) * most_descriptors)];
        struct cmsghdr alignment;
    } control;
    struct iovec body = {.iov_base = variables, .iov_len = MANTA_TEMPLATE_VARIABLES};
    struct msghdr message = {.msg_iov = &body, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t length;
    do length = recvmsg(requests, &message, MSG_CMSG_CLOEXEC);
    while (length < 0 && errno == EINTR);
    struct cmsghdr *header = length > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (!header || header->cmsg_type != SCM_RIGHTS) return -1;
    *count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(descriptors, CMSG_DATA(header), sizeof(int) * (size_t)*count);
    return length;
}

// Forks an orphan; 0 in it, its pid in the template, or a negative errno. The child in between runs on the template's memory while the template waits.
static pid_t fork_orphan(void) {
    volatile pid_t orphan = 0;
    volatile int failure = 0;
    pid_t between = vfork();
    if (between == 0) {
        orphan = fork();
        if (orphan == 0) return 0;
        if (orphan < 0) failure = errno;
        _exit(0);
    }
    if (between < 0) return -errno;
    while (waitpid(between, NULL, 0) < 0 && errno == EINTR) {}
    return orphan < 0 ? -failure : orphan;
}

// In what was forked: a child of the process that asked, with its descriptors and variables.
static void become(pid_t owner, const int descriptors[most_descriptors], int count, ssize_t length) {
    // The kernel would take the end of the child in between for the parent's: first it must be gone. On a busy machine it may wait long for its turn.
    for (int tries = 0; getppid() != owner; tries++) {
        if (tries > 100000 || getppid() == 1) _exit(70);
        if (tries < 100) sched_yield();
        else nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != owner) _exit(70);
    if (dup2(descriptors[0], 1) < 0 || dup2(descriptors[1], 2) < 0) _exit(70);
    close(requests);
    if (count > 2 && dup2(descriptors[2], requests) < 0) _exit(70);
    for (int index = 0; index < count; index++) close(descriptors[index]);
    for (char *entry = variables; entry < variables + length; entry += strlen(entry) + 1) {
        char *value = strchr(entry, '=');
        if (!value) continue;
        *value = 0;
        if (setenv(entry, value + 1, 1) < 0) _exit(70);
        *value = '=';
    }
}

static int thread_count(void) {
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return -1;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(tasks));) count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

int manta_template_main(int argc, char **argv, char **envp) {
    (void)envp;
    pid_t owner = getppid();
    unsetenv(MANTA_ROLE_VARIABLE);
    unsetenv(MANTA_TEMPLATE_BINDING);
    fcntl(requests, F_SETFD, FD_CLOEXEC);
    manta_offer_to_oom_killer();
    if (manta_template_warm) manta_template_warm();
    // ZeroMQ asks for it in every process; the first answer loads what nsswitch.conf names, with some eighty system calls.
    (void)getprotobyname("pgm");
    // A worker's main thread ends when it leaves the main queue to Dispatch; the first thread that ends loads what unwinds stacks, as does this.
    void *frame;
    (void)backtrace(&frame, 1);
    // A library of the program began a thread when it was loaded: what is forked would lack it.
    if (thread_count() != 1) return 69;
    int32_t answer = 0;
    for (;;) {
        if (send(requests, &answer, sizeof answer, MSG_NOSIGNAL) < 0) return 0;
        int descriptors[most_descriptors], count;
        ssize_t length = receive(descriptors, &count);
        if (length < 0) return 0;
        answer = fork_orphan();
        if (answer == 0) {
            become(owner, descriptors, count, length);
            extern char **environ;
            return manta_role_main(argc, argv, environ);
        }
        for (int index = 0; index < count; index++) close(descriptors[index]);
    }
}
