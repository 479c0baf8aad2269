// environment: the process's environment as it is now; Swift 6 refuses the global variable `environ`.
#pragma once

// The null-terminated list of NAME=VALUE. Valid until the environment is changed.
char *const *manta_environment(void);
