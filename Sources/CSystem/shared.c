// shared.c: the system calls behind shared.h. Owns nothing; every descriptor made here closes on exec.
#define _GNU_SOURCE
#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int manta_memory_create(const char *name, int64_t size) {
    int descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return -errno;
    if (ftruncate(descriptor, size) == 0 && fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0) return descriptor;
    int failure = errno;
    close(descriptor);
    return -failure;
}

// Never waits for the other end of a pipe, and never becomes the owner of a terminal.
static int open_of(pid_t process, int number, int flags) {
    char path[64];
    if (process <= 0 || number < 0) return -EINVAL;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)process, number);
    int descriptor = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return descriptor < 0 ? -errno : descriptor;
}

int manta_memory_open(pid_t process, int number, int64_t size) {
    int descriptor = open_of(process, number, O_RDWR);
    if (descriptor < 0) return descriptor;
    struct stat status;
    int wanted = F_SEAL_SHRINK | F_SEAL_GROW;
    // Only memory files know seals.
    int seals = fcntl(descriptor, F_GET_SEALS);
    if (seals >= 0 && (seals & wanted) == wanted && fstat(descriptor, &status) == 0 && status.st_size == size) return descriptor;
    close(descriptor);
    return -EINVAL;
}

int manta_pipe_open(pid_t process, int number) {
    // With the reading end, too: a pipe that its owner has left is then no SIGPIPE.
    int descriptor = open_of(process, number, O_RDWR);
    if (descriptor < 0) return descriptor;
    struct stat status;
    if (fstat(descriptor, &status) == 0 && S_ISFIFO(status.st_mode)) return descriptor;
    close(descriptor);
    return -EINVAL;
}

pid_t manta_peer_process(int socket) {
    int domain = 0;
    socklen_t length = sizeof domain;
    if (getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0) return -errno;
    if (domain != AF_UNIX) return -EINVAL;
    struct ucred peer;
    length = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return -errno;
    if (peer.uid != geteuid()) return -EACCES;
    return peer.pid > 0 ? peer.pid : -EINVAL;
}
