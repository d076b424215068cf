/* Starting a program in a process that a plain wait() of this one does not see. */
#ifndef PLAIT__SPAWN_H
#define PLAIT__SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

struct plait__spawned {
        pid_t pid;                              /* the program's */
        pid_t child;                            /* whom to wait for, with __WALL: it ends after the program */
        void *keeper;                           /* to be given to plait__sys.free() when that has been waited for */
};

/* The table's first `spawn` (base/sys.h). */
int plait__spawn(struct plait__spawned *ret, bool hidden, const char *path, char *const argv[], const int *fds, int count);

#endif
