// CZeroMQ: the C library's header; what Swift cannot import of it is added here, with the reason.
#pragma once
#include <stdint.h>
#include <zmq.h>

// Answers the result, or the negative error number: Swift must not read errno later, when reference counting may have touched it.
static inline int manta_zmq_checked(int result) { return result >= 0 ? result : -zmq_errno(); }

static inline int manta_zmq_set(void *socket, int option, int value) { return manta_zmq_checked(zmq_setsockopt(socket, option, &value, sizeof value)); }
static inline int manta_zmq_set_wide(void *socket, int option, int64_t value) { return manta_zmq_checked(zmq_setsockopt(socket, option, &value, sizeof value)); }
static inline int manta_zmq_get(void *socket, int option, int *value) {
    size_t size = sizeof *value;
    return manta_zmq_checked(zmq_getsockopt(socket, option, value, &size));
}
static inline int manta_zmq_bind(void *socket, const char *endpoint) { return manta_zmq_checked(zmq_bind(socket, endpoint)); }
static inline int manta_zmq_connect(void *socket, const char *endpoint) { return manta_zmq_checked(zmq_connect(socket, endpoint)); }

// Interrupted calls are made again here, once for all callers.
static inline int manta_zmq_send(void *socket, const void *bytes, size_t count, int flags) {
    int result;
    do result = manta_zmq_checked(zmq_send(socket, bytes, count, flags));
    while (result == -EINTR);
    return result;
}
// On failure the message stays the caller's.
static inline int manta_zmq_send_message(void *socket, zmq_msg_t *message, int flags) {
    int result;
    do result = manta_zmq_checked(zmq_msg_send(message, socket, flags));
    while (result == -EINTR);
    return result;
}
static inline int manta_zmq_receive(void *socket, zmq_msg_t *message, int flags) {
    int result;
    do result = manta_zmq_checked(zmq_msg_recv(message, socket, flags));
    while (result == -EINTR);
    return result;
}
