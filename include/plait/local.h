/* Strand-local data: a value of its own for each strand, and values that tasks inherit.
 *
 *         static plait_local request = {.inherited = true};
 *
 *         rc = plait_local_set(&request, &this_request);          // seen by every task started from here on
 *         ...
 *         struct request *now = plait_local_get(&request);        // however deep, in whichever of them
 */
#ifndef PLAIT_LOCAL_H
#define PLAIT_LOCAL_H

#include <plait/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A name for a value that each strand has for itself: a coroutine, a task on a thread, a thread's main line; each may call
 * both functions at any time. Most often static. Its fields are set before its first use and not changed. Not copied once
 * used; when its memory goes, so does the way to its values, and nothing else.
 *
 * With `inherited` it is what Python calls a context variable: a task started in a group (start, start_with, post,
 * plait_call(), a map's items) sees, from its beginning, the values that its starter had when it started it. What either sets
 * later the other does not see. The value is the pointer: what it points to stays there as long as such a task may run. Values
 * do not travel to tasks in other processes, and a function run by plait_call_or_leave() has none, since it may outlive the
 * caller.
 *
 * The items of a map that one strand runs one after the other share that strand's values. */
typedef struct plait_local {
        /* Called with each value, if it is not NULL, that a strand has set itself and still has when it ends, on that strand:
         * after its task's function has returned, or when its thread ends (for main(), which exit() ends, never). It may call
         * whatever a task may; the strand's values are then NULL. A value that was replaced is the caller's. For inherited
         * ones it is called by the strand that has set the value, although tasks it has started may still see it. */
        void (*end)(void *value) PLAIT__ZERO;

        bool inherited PLAIT__ZERO;

        uint64_t private_[2] PLAIT__ZERO;
} plait_local;

/* This strand's value; NULL: it has none. */
PLAIT_API void *plait_local_get(const plait_local *local);

/* Gives this strand a value, for NULL takes it away. Returns 0, -ENOMEM (the value is what it was) or -EINVAL (a null
 * pointer). A strand that had a value before needs no memory for another, unless it has started tasks since that inherit. */
PLAIT_API int plait_local_set(plait_local *local, void *value);

#ifdef __cplusplus
}
#endif
#endif
