/* Groups: nothing starts outside one, and none ends before its tasks.
 *
 *         struct page { char url[256]; size_t size; };
 *
 *         static int fetch_all(struct page *pages, size_t count)
 *         {
 *                 PLAIT_GROUP(group, .executor = plait_threads(), .within = 30 * PLAIT_S, .name = "pages");
 *
 *                 for (size_t i = 0; i < count; i++) {
 *                         if (!wanted(&pages[i]))
 *                                 return -EINVAL;                 // cancels those started, and waits for them
 *                         plait_group_start(&group, fetch, &pages[i], sizeof pages[i]);
 *                 }
 *                 return plait_group_wait(&group);                // 0, or the first failure; all have ended
 *         }
 *
 * A group's life. PLAIT_GROUP declares a group and opens it; the strand that did is its owner. Tasks are started in it.
 * plait_group_wait() returns when all have ended. The block's end, reached on any path (return, break, goto, a C++
 * exception), calls plait_group_done(), which after a wait has nothing to wait for. plait_group_open() and
 * plait_group_done() are the same by hand; `static plait_group` or `plait_group group = {0}` is a right first state. A
 * group is not copied or moved while it is open.
 *
 * It is a scope. Until its wait returns, a group is its owner's innermost scope: its deadline, its cancel, and the
 * first failure of a task (which cancels the siblings, unless `keep_going`) also reach the owner's own waiting calls,
 * as -ETIMEDOUT or -ECANCELED. Only plait_group_wait() and plait_group_next() on it look past it, at the strand's other
 * scopes: a PLAIT_WITHIN after the PLAIT_GROUP is therefore the time left for draining it. The owner's scopes reach the
 * tasks: what cuts the owner short cuts them short. A scope must not be left, and a task must not return, while a group
 * opened inside it is open: abort.
 *
 * Cancel. A task that has not begun never runs. One that has gets -ECANCELED or -ETIMEDOUT from its waiting calls and
 * from plait_cancelled(), and returns in its own way; a coroutine or thread that does not is waited for, a process is
 * killed `kill_after` later. A positive result is a success. A task that returned 0 in spite of a cancel has succeeded.
 *
 * Detached. A group with `.detached` belongs to an object, not to a block: a server's connections. It inherits no
 * deadline and no cancel, and is nobody's scope; its own `within` holds for its tasks. Any strand may start in it, and
 * one at a time may call room, wait or next, or end it with plait_group_done(). A detached group of coroutines lives on
 * the loop of the thread that opened it, and that thread may not end before it. Not with PLAIT_GROUP: abort.
 *
 * Who may call what, while it is open:
 *
 *   start, start_with, post              the owner and the group's tasks in this process; detached: any strand
 *   open, room, next, wait, done         the owner; detached: any strand, one at a time
 *   cancel, failures, plait_task_...     any strand
 *
 * Any other strand, and any call but open, done, cancel and failures on a group that is not open: abort. */
#ifndef PLAIT_GROUP_H
#define PLAIT_GROUP_H

#include <sys/types.h>

#include <plait/base.h>
#include <plait/executor.h>
#include <plait/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A group, in the caller's memory. The fields are set before it is opened and not changed until it has ended; zero
 * means the default. It belongs to this process. */
typedef struct plait_group {
        plait_executor *executor PLAIT__ZERO;   /* NULL: plait_coroutines() */
        plait_time within PLAIT__ZERO;          /* counts from the opening; 0: none; negative: over at once */
        plait_time kill_after PLAIT__ZERO;      /* processes: this long after a cancel the worker is killed; 0: never */

        /* Tasks begun and not ended, at most. 0: none for coroutines, own threads and own processes, `threads_max` for
         * threads, `workers` for processes. Further starts are accepted, and begin as others end. */
        size_t limit PLAIT__ZERO;

        bool keep_going PLAIT__ZERO;            /* a failure does not cancel the others */
        bool detached PLAIT__ZERO;              /* belongs to an object, not to a block */
        const char *name PLAIT__ZERO;           /* not copied: stays until the group is done */
        uint64_t private_[16] PLAIT__ZERO;
} plait_group;

/* PLAIT_GROUP(group, .field = value, ...);
 *
 * A declaration of the variable `group`, open from here on, that calls plait_group_done() when its block is left on any
 * path. At least one option; in C++ in field order. `.detached` is misuse. In C, gcc lets a goto jump forward over it:
 * the group is then not open, and the end of the block does nothing; clang and C++ refuse such a goto. */
#define PLAIT_GROUP(group, ...) PLAIT__GROUP(group, __VA_ARGS__)

/* Opens the group on this strand, its owner; `within` counts from here. Cannot fail: what is missing later fails the
 * starts. A group that has ended may be opened again; this forgets its failures. Aborts if the group is open. */
PLAIT_API void plait_group_open(plait_group *group);

/* Ends the group: cancels what still runs, waits for it, and forgets tasks and failures. It may park, is not cancelled,
 * and its memory is the caller's again afterwards. After a wait it only gives back what plait_group_failures() tells;
 * on a zeroed group it does nothing. Every opened group needs it in the end; PLAIT_GROUP sees to that. Aborts if the
 * caller is not the owner, if one of the group's own tasks calls it, or if another strand is waiting for it. */
PLAIT_API void plait_group_done(plait_group *group);

/* Starts fn(arg) as a task. The `size` bytes at `arg` are used in place and are the task's until it has ended; for
 * processes they travel there and back. (NULL, 0): no struct. (p, 0): the pointer itself; to a process -EFAULT.
 *
 * Returns the task, which stays the group's, or NULL if the start could not be made: -ENOMEM; -EINVAL, a null function;
 * -EFAULT. That is then a failure of the group, with what follows from one, so nobody has to look. In a group that has
 * ended (cancelled, out of time, failed) the task does not run and ends with -ECANCELED or -ETIMEDOUT. What the
 * executor finds out later, -ENOEXEC or -EAGAIN (no more threads or processes allowed), is the task's result. Does not
 * park. */
PLAIT_API plait_task *plait_group_start(plait_group *group, plait_fn *fn, void *arg, size_t size);

/* Likewise, with a name, a deadline or a stack of its own. `options` is read before the call returns; NULL: none.
 * stack_bytes above 1 GiB: NULL, -EINVAL. A task whose own deadline passes gets -ETIMEDOUT from its waiting calls; if
 * it returns that, its group counts it as cut short, not as a failure. */
PLAIT_API plait_task *plait_group_start_with(plait_group *group, const plait_task_options *options, plait_fn *fn,
                                             void *arg, size_t size);

/* Starts fn on a copy of the `size` bytes at `arg`, made before this returns; there is no handle, and the record goes
 * when the task ends, so a group may post for ever: for servers. (p, 0): as in start. Its failure is the group's.
 * Returns 0: the function is then called exactly once, even if the group is cancelled by then; or, and it is not called
 * and nothing failed but this call: -EINVAL (a null function), -ENOMEM, -EFAULT (a pointer of size 0 to a process),
 * -ENOEXEC (a function that another process cannot find), -ECANCELED or -ETIMEDOUT (the group has ended), -EAGAIN (no
 * more threads or processes allowed), or the reason for which the executor cannot be made. What goes wrong only later
 * is the group's failure: the same for one that waited behind the limit, and on processes -EOWNERDEAD when a worker
 * that dies takes it along, or -ENOMEM when there is no room for its bytes. Does not park. */
PLAIT_API int plait_group_post(plait_group *group, plait_fn *fn, const void *arg, size_t size);

/* Waits until a task started now would begin at once: the group is below its limit and the executor has a place. For
 * loops that start many. Returns 0, -ETIMEDOUT or -ECANCELED; the group's own end reaches it. */
PLAIT_WAITS int plait_group_room(plait_group *group);

/* Waits until all tasks have ended, those that tasks start meanwhile included. It is never cut short: if this strand is
 * cancelled or out of time by another scope, so is the group, for that reason (a detached one too), and the wait goes
 * on.
 *
 * Returns the result of the first task that failed, in time; else -ETIMEDOUT if tasks were cut short by a deadline, or
 * -ECANCELED if by a scope around; else 0, also after plait_group_cancel(), the quiet end. -ECANCELED or -ETIMEDOUT
 * from a task that had been cut short is no failure, nor is anything from one cancelled alone by plait_task_cancel().
 * All structs are the caller's again, and all plait_task pointers are dead. The group is no scope any more and may be
 * opened again. Aborts if one of the group's own tasks calls it. */
PLAIT_WAITS int plait_group_wait(plait_group *group);

/* Waits for the next task to end and writes it to *ret: each started task once, in the order they end, cut short or
 * not; posted ones never. Returns 0; -ENOENT when every task started so far was handed out; -ETIMEDOUT or -ECANCELED
 * when another scope of this strand cut the wait short, which cancels nothing here. plait_group_wait() is still due. */
PLAIT_WAITS int plait_group_next(plait_group *group, plait_task **ret);

/* Likewise, the next that has failed; those that ended otherwise are passed over, and not handed out later. For a group that
 * keeps going. -ENOENT: every task has ended, and none of the others had failed. */
PLAIT_WAITS int plait_group_next_failed(plait_group *group, plait_task **ret);

/* Cancels the group's tasks, and its owner as long as it is inside, unless it is detached: a quiet end, after which
 * plait_group_wait() returns 0 if no task failed. On a group that is not open: nothing. Does not park. */
PLAIT_API void plait_group_cancel(plait_group *group);

/* How many tasks have failed, starts that could not be made included; the first `max` of them are written to ret[], in
 * the order of failure. ret may be NULL if max is 0. Good from the opening until plait_group_done() or the next
 * opening, after a wait too. Those that plait_group_wait() does not count as failures are not here.
 *
 * Every failure of a started task can be read. Of posted tasks, of which there may be no end, those can that are among
 * the group's first 4096 failures; later ones are counted, and for each of them an entry with a result of 0 follows
 * those that can be read. */
PLAIT_API size_t plait_group_failures(const plait_group *group, plait_failure *ret, size_t max);

/* The group of the whole process for what belongs to nobody: detached, on plait_threads(), and a failure cancels nothing. It is
 * open from the first call on. Post to it rather than start: a started task's record is kept until the group ends. The program ends it
 * with plait_group_done(), which cancels and waits, or plait_group_wait(); exit() does not wait for it. After that the next call
 * opens it anew. */
PLAIT_API plait_group *plait_background(void);

/* Not for use: what PLAIT_GROUP needs. */
PLAIT_API void plait__group_begin(plait_group *group);
PLAIT_API void plait__group_end(plait_group *group);
#define PLAIT__GROUP(group, ...)                                                                                       \
        __extension__ plait_group group __attribute__((cleanup(plait__group_end))) = {__VA_ARGS__};                    \
        plait__group_begin(&group)

#ifdef __cplusplus
}
#endif
#endif
