/* Starting a program in a process that a plain wait() of this one does not see. */
#ifndef PLAIT__SPAWN_H
#define PLAIT__SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether a program can be hidden. The thread sanitizer takes a clone() that shares memory for a fork(). */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PLAIT__SPAWN_HIDES false
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define PLAIT__SPAWN_HIDES false
#elif !defined(PLAIT__SPAWN_HIDES)
#define PLAIT__SPAWN_HIDES true
#endif

struct plait__spawned {
        pid_t pid;                              /* the program's */
        pid_t child;                            /* whom to wait for, with __WALL: it ends after the program */
        void *keeper;                           /* to be given to plait__sys.free() when that has been waited for */
};

/* The table's first `spawn` (base/sys.h). */
int plait__spawn(struct plait__spawned *ret, bool hidden, const char *path, char *const argv[], const int *fds, int count);

#endif
