// entry: takes over the start of a process that has a role, so that a program's own main never runs there.
//
// crt1.o calls __libc_start_main with the program's main. This file defines that function: it picks the main and calls the real one, so constructors,
// stdio and thread-local storage are set up as ever, in every kind of program: @main, main.swift, test runners. manta_role_main is weak because it is
// Swift code of the module Manta: a program without that module has no roles, and starts as if nothing were here.

#define _GNU_SOURCE
#include "entry.h"
#include "template.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int (*main_function)(int, char **, char **);
typedef int (*start_function)(main_function, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

extern int manta_role_main(int argc, char **argv, char **envp) __attribute__((weak));

// The C library has not set environ up yet; on the stack the environment follows the arguments.
static const char *role(int argc, char **argv) {
    size_t length = strlen(MANTA_ROLE_VARIABLE);
    for (char **entry = argv + argc + 1; *entry; entry++) {
        if (strncmp(*entry, MANTA_ROLE_VARIABLE, length) == 0 && (*entry)[length] == '=' && (*entry)[length + 1] != 0) return *entry + length + 1;
    }
    return NULL;
}

int __libc_start_main(
    main_function main, int argc, char **argv, void (*init)(void), void (*fini)(void), void (*rtld_fini)(void), void *stack_end
) {
    start_function real = (start_function)dlsym(RTLD_NEXT, "__libc_start_main");
    if (!real) {
        static const char message[] = "manta: the C library has no __libc_start_main; link it dynamically\n";
        (void)!write(2, message, sizeof message - 1);
        _exit(127);
    }
    const char *wanted = manta_role_main ? role(argc, argv) : NULL;
    if (wanted) main = strcmp(wanted, MANTA_TEMPLATE_ROLE) == 0 ? manta_template_main : manta_role_main;
    return real(main, argc, argv, init, fini, rtld_fini, stack_end);
}
