// template: a process of a program that is loaded once and then forks processes that play a role of it: each of them costs neither exec nor the loading
// and relocation of libraries, and shares that memory with the others.
#pragma once
#include <stddef.h>
#include <sys/types.h>

// The role of a template, in MANTA_ROLE; what it forks plays the role that the variables of the request name.
#define MANTA_TEMPLATE_ROLE "template"
// What lets the dynamic linker bind every symbol of a template when it is loaded; what it forks does not have it in its environment.
#define MANTA_TEMPLATE_BINDING "LD_BIND_NOW"
// The most that the variables of one request may take, in bytes.
#define MANTA_TEMPLATE_VARIABLES 65536

// Makes orphans below this process its children, whoever forked them: it can take their exit status, and must, of all.
int manta_adopt_orphans(void);
// Takes the end of one child that has ended and of which `is_known` says 0; its pid, or 0 when there is none.
pid_t manta_reap_stranger(int (*is_known)(pid_t pid, void *context), void *context);

// Two connected sockets of packets, both closed on exec.
int manta_template_sockets(int sockets[2]);
// Whether the template at the other end is ready for requests: 1, 0 not yet, or a negative errno when it will never be.
int manta_template_is_ready(int socket);
// Lets the template fork a process with these descriptors (`inherited`, none when -1, becomes its number 3) and additional variables: NAME=VALUE texts, each
// ended by a zero. The process is a child of the one that asks, which adopts orphans, and gets SIGKILL when that ends. Waits for at most
// `milliseconds`. Answers the pid or a negative errno; after -ETIMEDOUT the template must be killed.
pid_t manta_template_fork(int socket, const char *variables, size_t length, int output, int error, int inherited, int milliseconds);

// The main function of a template, whose requests come on descriptor 3.
int manta_template_main(int argc, char **argv, char **envp);
