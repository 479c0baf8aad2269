// environment: see environment.h.
#include "environment.h"

#include <unistd.h>

char *const *manta_environment(void) {
    extern char **environ;
    return environ;
}
