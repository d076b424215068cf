/* What every plait header uses: the marks on declarations, time, sleeping, and the rules that hold for every call.
 *
 * Results. 0 or a count is success, a negative errno is failure: `-ENOMEM`, never through `errno`. No call changes
 * errno. Outputs (`ret`, `ret_size`) are written on success only, unless a comment says otherwise.
 *
 * Waiting. A call marked PLAIT_WAITS may park: the strand stops, its thread runs its other coroutines, on main() too,
 * or sleeps. Hold no pthread mutex across such a call: another coroutine of the thread may want it, and then neither
 * goes on. A call without the mark neither parks nor looks at deadline and cancel. The exceptions park, cannot fail
 * and are not cancelled: plait_lock_acquire(), plait_rlock_acquire(), plait_rwlock_acquire_read() and _write(),
 * PLAIT_LOCKED, plait_gil_acquire(), plait_gil_checkpoint(), plait_group_done(), and the end of a block that holds an
 * open PLAIT_GROUP.
 *
 * Deadline and cancel. They belong to groups and scopes (plait/group.h, plait/scope.h), not to calls. Every
 * PLAIT_WAITS call looks at those around it when it is entered, before it has any effect, and while it is parked; it
 * then returns -ETIMEDOUT or -ECANCELED, and so does every later one until the scope is left. If several scopes around
 * the call have ended, the outermost decides which of the two. A call that fails so lets other strands run once.
 * What completed is never thrown away by a cancel: bytes that were moved are counted, an item that was handed over is
 * returned. Each PLAIT_WAITS call can return these two; comments below name them where they mean something more.
 *
 * Threads. A coroutine that has begun stays on its thread. plait may be used from any thread of the program, whoever
 * made it. Not to be used: pthread_exit() and pthread_cancel() in a task, longjmp() from one strand to another.
 *
 * Misuse, such as releasing a lock that is not held, is a bug and not an error: the process aborts with one sentence
 * on standard error that names the call. No call may be made from a signal handler. In a child made by fork() of a
 * process in which a strand had used plait (a daemon forks before), until it calls exec, every call but plait_ignore()
 * aborts with "used after fork"; the end of a block that holds a PLAIT_GROUP, PLAIT_WITHIN or PLAIT_SHIELD does nothing
 * there. Otherwise the library does not print, log or exit, unless it is asked to (plait/dump.h).
 *
 * All headers compile as C11 and as C++17, without feature macros. In C++ options stand in field order. */
#ifndef PLAIT_BASE_H
#define PLAIT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A function of the library. It does not park, unless its comment says so. */
#define PLAIT_API __attribute__((visibility("default")))

/* Likewise, but this call may park, lets other strands run, is a checkpoint for deadline and cancel every time, whether
 * or not it had to wait, and its result must be used: see plait_ignore(). */
#define PLAIT_WAITS __attribute__((visibility("default"), warn_unused_result))

/* Not for use: the initialiser that C++ wants on the members of an options struct, and names for what a declaration macro
 * declares. */
#ifdef __cplusplus
#define PLAIT__ZERO = {}
#else
#define PLAIT__ZERO
#endif
#define PLAIT__PASTE(a, b) a##b
#define PLAIT__NAME(a, b) PLAIT__PASTE(a, b)

#ifdef __cplusplus
extern "C" {
#endif

/* A moment of the monotonic clock, or a span, in nanoseconds. Moments mean the same in every process of one machine
 * until it is started again. */
typedef int64_t plait_time;

#define PLAIT_US ((plait_time)1000)     /* a microsecond */
#define PLAIT_MS (1000 * PLAIT_US)      /* a millisecond */
#define PLAIT_S (1000 * PLAIT_MS)       /* a second */
#define PLAIT_FOREVER INT64_MAX         /* as a span or a moment: never over */

/* The moment now. */
PLAIT_API plait_time plait_now(void);

/* Parks for `span`, never less. A span of 0 or less is a plait_yield(). Returns 0, or -ETIMEDOUT or -ECANCELED when
 * cut short; with PLAIT_FOREVER only these two. */
PLAIT_WAITS int plait_sleep(plait_time span);

/* Parks until `moment`; one that has passed is a plait_yield(). Returns as plait_sleep(). */
PLAIT_WAITS int plait_sleep_until(plait_time moment);

/* Lets every strand of this thread that is ready run once. Returns 0, -ETIMEDOUT or -ECANCELED. Other threads need no
 * yield. */
PLAIT_WAITS int plait_yield(void);

/* Asks, without parking, whether a waiting call would be cut short here: 0, -ETIMEDOUT or -ECANCELED. For loops that
 * compute; cheap enough for each turn of one. */
PLAIT_API int plait_cancelled(void);

/* Takes a result that does not matter: `plait_ignore(plait_sleep(PLAIT_MS));`. */
PLAIT_API void plait_ignore(int rc);

#ifdef __cplusplus
}
#endif
#endif
