/* Groups from the inside.
 *
 * A group is local if its tasks are coroutines of the loop that its owner runs on: then only that thread touches it, and it
 * needs no lock. Any other group has its lock for everything below the scope. Locks are taken in the order: the tree's
 * (cancel.c), a group's, that of a group further in, an executor's. Nothing is called out of a lock but plait__unpark() and an
 * executor's cancel(). */
#ifndef PLAIT__GROUP_H
#define PLAIT__GROUP_H

#include "base/atomic.h"
#include "core/record.h"
#include "core/scope.h"
#include "plait/group.h"
#include "task/executor.h"

/* A group may post for ever, so not all that fails of it can be kept: of posted tasks only those among so many failures. A
 * record is 256 bytes. */
enum { PLAIT__FAILURES_OF_POSTED = 4096 };

enum plait__group_flags {
        PLAIT__GROUP_LODGES = 1,                /* detached, and counted among its loop's lodgers */
        PLAIT__GROUP_LISTED = 2,                /* in the list of its executor, which may be closed (coroutines.c) */
        PLAIT__GROUP_COUNTED = 4                /* its executor counts its tasks */
};

enum plait__group_state { PLAIT__GROUP_CLOSED, PLAIT__GROUP_OPEN, PLAIT__GROUP_ENDED };   /* ended: only failures are left */

struct plait__group {
        struct plait__scope scope;              /* first: core/scope.h relies on it; its last bytes: state, whether
                                                 * the group is local, flags */
        struct plait_task *tasks;               /* all that have a record, by `siblings`; next: or NULL, prev: what points here */
        struct plait_task *ended;               /* last of a ring by strand.next: ended, not yet handed out by next */
        struct plait_task *withheld;            /* likewise: behind the limit */
        struct plait_task *failed;              /* last of a ring by strand.wait.next: in order of failure */
        struct plait__strand *waiters;          /* by strand.wait.next */
        struct plait__loop *loop;               /* where it was opened */
        plait_group *next_open;                 /* in strand.groups of its owner, if neither local nor detached; else in
                                                 * its executor's, if it is LISTED */
        uint32_t live;                          /* tasks not ended */
        uint32_t begun;                         /* handed to the executor and not ended */
        uint32_t owed;                          /* started (not posted) ones not yet handed out by next */
        uint32_t bound;                         /* of begun; 0: none */
        uint32_t failures;
        int32_t first_failure;
        int8_t cut;                             /* a task was cut short: -ETIMEDOUT or -ECANCELED; 0: none */
        _Atomic bool read;                      /* somebody was told of a failure; relaxed, any thread */
        int16_t start_failure;                  /* of the first start that could not be made */
        plait__spin lock;
} __attribute__((may_alias));

_Static_assert(sizeof(struct plait__group) <= sizeof(((plait_group *)0)->private_), "the public type has room for the real one");

static inline struct plait__group *plait__group_of(const plait_group *group)
{
        return (struct plait__group *)(uintptr_t)group->private_;
}

static inline void plait__group_lock(struct plait__group *group)
{
        if (!group->scope.group_local)
                plait__spin_acquire(&group->lock);
}

static inline void plait__group_unlock(struct plait__group *group)
{
        if (!group->scope.group_local)
                plait__spin_release(&group->lock);
}

/* Runs a task on the strand that has just begun, or (failed < 0) ends it with that; then ends it. The record may be gone
 * afterwards. */
void plait__task_body(struct plait_task *task, int failed);

/* Runs it as the main line of this thread, whose own strand is current, and ends it. */
void plait__task_on_line(struct plait__loop *loop, struct plait_task *task);

/* The task has ended with `result`: on its own strand, or (one that never ran here) on any. */
void plait__task_finish(struct plait_task *task, int result);

/* Likewise, for one that its executor did not take. */
void plait__task_finish_here(struct plait_task *task, int result);

/* A posted task that its executor did not take was never there. */
void plait__task_withdraw(struct plait_task *task);

/* A failure of the group's: of a task, kept in order, or (NULL) of a start for which there was no record. Locks the group. */
void plait__group_note_failure(struct plait__group *group, struct plait_task *task, int result);

/* Waiting for a task by a strand that is neither the owner of its group nor a task of it (watchers.c). */
int plait__task_wait_outside(struct plait__strand *strand, struct plait_task *task, int *ret);

/* On the task's own thread: somebody on another waits for its end. */
void plait__task_watch(struct plait_task *task);

/* With its group locked: it has ended. */
void plait__task_tell(struct plait_task *task);

/* How many wait so, in the whole process; and that a local group, whose tasks have all ended, is about to be closed. */
extern _Atomic unsigned plait__watchers;
void plait__group_tell(const plait_group *group);

/* With the group locked: the task waits behind the limit; the next that has ended and was not handed out, or NULL. */
void plait__group_withhold(struct plait__group *group, struct plait_task *task);
struct plait_task *plait__group_next_ended(struct plait__group *group);

/* plait_scope_cancel(), for callers that hold a guard. */
void plait__scope_cancel_inside(plait_scope *scope);

/* Ends the scope of the group, once, and wakes what is inside it. */
void plait__group_end_scope(plait_group *group, enum plait__cancel how);

/* Wakes the strand, and the tasks of every group that it has open inside `within` (NULL: of all). */
void plait__wake_below(struct plait__strand *strand, const struct plait__scope *within);

/* A group that is not local is on its owner's list while it is open. */
void plait__tree_add(struct plait__strand *owner, plait_group *group);
void plait__tree_remove(struct plait__strand *owner, plait_group *group);

/* Parks on the group until `done` (asked with the group locked) says so, or until the strand's scopes other than `skip` have ended:
 * then that is returned, and by who waits for room even if there is some. Who waits for tasks runs those that nobody else can. */
int plait__group_park(struct plait__strand *strand, plait_group *group, void *object,
                      bool (*done)(struct plait__group *group, void *object), const struct plait__scope *skip,
                      enum plait__watch_for what);

/* The group's last steps, for plait_call() and map: waits for all (`cancellable`: cut short, it cancels and goes on), then
 * takes the group apart. Between the two the tasks can still be read. */
void plait__group_wait_all(struct plait__strand *strand, plait_group *group, bool cancellable);
void plait__group_close(plait_group *group, struct plait__strand *strand);

/* What plait_group_wait() returns once all have ended. */
int plait__group_result(const plait_group *group);

/* Wakes who waits on the group, to look again; the second with it locked already. */
void plait__group_wake(plait_group *group);
void plait__group_wake_locked(struct plait__group *group);

/* It has ended, but its failures can be asked for; until they are forgotten, by the group's address alone. */
void plait__group_keep_failures(struct plait__group *group);
void plait__group_forget_failures(const plait_group *group);

extern struct plait_task *_Atomic plait__failures_kept;               /* those of all groups; NULL: there are none */

/* As misuse is told; and the first thing to be sure of. */
const char *plait__group_name(const plait_group *group);
_Noreturn void plait__group_not_open(const char *call, const plait_group *group);

static inline void plait__group_check_open(const char *call, const plait_group *group)
{
        if (plait__unlikely(plait__group_of(group)->scope.group_state != PLAIT__GROUP_OPEN))
                plait__group_not_open(call, group);
}

/* With the group locked: the failed task is none of those that can be read any more; it is still counted. */
void plait__group_drop_failure(struct plait__group *group, struct plait_task *task);

/* A started task that plait_group_next() has handed out: its record goes, and if it failed, it is no failure to be read any more
 * (but for being counted). */
void plait__group_forget(plait_group *group, struct plait_task *task);

/* The group that signals cancel (io/signal.c), or NULL, and what is called when that group has ended. */
extern plait_group *_Atomic plait__interruptible;
extern void (*plait__interruptible_ended)(plait_group *group);

/* NULL, or (src/inspect) what is called when a group ends by plait_group_done() with failures of which nobody was told. */
extern void (*plait__failures_unread)(const plait_group *group);

/* plait_group_start() in the name of another call. */
struct plait_task *plait__group_start(const char *call, plait_group *group, const plait_task_options *options, plait_fn *fn, void *arg,
                                      size_t size);

#endif
