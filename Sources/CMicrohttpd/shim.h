// CMicrohttpd: the C library's header; what Swift cannot import of it is added here, with the reason.
#pragma once
#include <microhttpd.h>

/// The callbacks of one server; `context` comes back in each of them.
struct manta_mhd_callbacks {
    void *context;
    MHD_AccessHandlerCallback handle;
    void *(*target)(void *context, const char *target, struct MHD_Connection *connection);
    MHD_RequestCompletedCallback completed;
    MHD_NotifyConnectionCallback connection;
    size_t (*unescape)(void *context, struct MHD_Connection *connection, char *text);
};

/// MHD_start_daemon() is variadic, and Swift cannot call variadic functions.
static inline struct MHD_Daemon *manta_mhd_start(int listener, unsigned int connections, unsigned int connections_per_address,
                                                 unsigned int idle_seconds, size_t connection_memory, struct manta_mhd_callbacks callbacks) {
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, callbacks.handle, callbacks.context,
                            MHD_OPTION_LISTEN_SOCKET, listener,
                            MHD_OPTION_CONNECTION_LIMIT, connections,
                            MHD_OPTION_PER_IP_CONNECTION_LIMIT, connections_per_address,
                            MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_memory,
                            MHD_OPTION_URI_LOG_CALLBACK, callbacks.target, callbacks.context,
                            MHD_OPTION_NOTIFY_COMPLETED, callbacks.completed, callbacks.context,
                            MHD_OPTION_NOTIFY_CONNECTION, callbacks.connection, callbacks.context,
                            MHD_OPTION_UNESCAPE_CALLBACK, callbacks.unescape, callbacks.context,
                            MHD_OPTION_STRICT_FOR_CLIENT, 0,
                            MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
                            MHD_OPTION_END);
}

/// MHD_get_daemon_info() is variadic.
static inline int manta_mhd_epoll_descriptor(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
    return info ? info->epoll_fd : -1;
}

/// MHD_get_daemon_info() is variadic.
static inline unsigned int manta_mhd_connection_count(struct MHD_Daemon *daemon) {
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info ? info->num_connections : 0;
}

/// MHD_get_connection_info() is variadic. The pointer that the connection callback attached to the connection.
static inline void *manta_mhd_attachment(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/// MHD_get_connection_info() is variadic.
static inline int manta_mhd_descriptor(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

/// MHD_get_connection_info() is variadic. Bytes from the method to the end of the empty line.
static inline size_t manta_mhd_header_size(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info ? info->header_size : 0;
}

/// MHD_create_response_from_callback() takes MHD_SIZE_UNKNOWN, a macro with a cast, which Swift does not import.
static inline struct MHD_Response *manta_mhd_stream(size_t block, MHD_ContentReaderCallback reader, void *context,
                                                    MHD_ContentReaderFreeCallback release) {
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, block, reader, context, release);
}

/// Macros with casts, which Swift does not import.
static const ssize_t manta_mhd_end_of_stream = MHD_CONTENT_READER_END_OF_STREAM;
static const ssize_t manta_mhd_end_with_error = MHD_CONTENT_READER_END_WITH_ERROR;
