/* Waiting on a group: strands that wait stand in its list, and are woken when a task ends, to look again. */
#include <errno.h>

#include "core/strand.h"
#include "task/executor.h"
#include "task/group.h"

static void waiter_add(struct plait__group *group, struct plait__strand *strand, void *object)
{
        strand->object = object;
        strand->wait.next = group->waiters ? &group->waiters->wait : NULL;
        group->waiters = strand;
}

static void waiter_remove(struct plait__group *group, struct plait__strand *strand)
{
        struct plait__link *link;

        if (group->waiters == strand) {
                group->waiters = strand->wait.next ? plait__container(strand->wait.next, struct plait__strand, wait) : NULL;
                return;
        }
        for (link = &group->waiters->wait; link->next != &strand->wait; link = link->next)
                ;
        link->next = strand->wait.next;
}

/* A task that no thread is going to begin soon: of a group that has ended, or when the pool has no thread to give (then it
 * runs here, as a coroutine). */
static bool take_back(struct plait__strand *strand, plait_group *group)
{
        struct plait__group *inner = plait__group_of(group);
        plait_executor *executor = group->executor;
        bool ended = plait__scope_state_from(strand->loop, inner->scope.owner, &inner->scope) < 0;
        const struct plait__executor_class *class = plait__class_of(executor);
        struct plait_task *task = class->take_back ? class->take_back(executor, group, !ended) : NULL;

        if (!task)
                return false;
        task->strand.loop = strand->loop;
        task->strand.flags |= PLAIT__TAKEN;
        plait__loop_append(strand->loop, &task->strand);
        return true;
}

/* The executor tells the strand while it waits; the group has tasks that are not ended, which keep the executor there. */
static bool watch(struct plait__strand *strand, plait_group *group, enum plait__watch_for what)
{
        if (plait__group_of(group)->scope.group_local || !plait__class_of(group->executor)->watch)
                return false;
        plait__class_of(group->executor)->watch(group->executor, strand, what);
        return true;
}

int plait__group_park(struct plait__strand *strand, plait_group *group, void *object,
                      bool (*done)(struct plait__group *group, void *object), const struct plait__scope *skip,
                      enum plait__watch_for what)
{
        struct plait__group *inner = plait__group_of(group);
        plait_time until = skip ? plait__scope_reach(strand, skip) : strand->deadline;
        plait_executor *executor = group->executor;
        bool watches;
        int rc = 0;

        plait__group_lock(inner);
        if (done(inner, object)) {
                plait__group_unlock(inner);
                return 0;
        }
        waiter_add(inner, strand, object);
        watches = watch(strand, group, what);
        while (!done(inner, object)) {
                plait__group_unlock(inner);
                while (watches && what == PLAIT__WATCH_STUCK && take_back(strand, group))
                        ;
                rc = plait__scope_state(strand, skip);
                if (rc == 0)
                        plait__park(strand, object == group ? PLAIT__ON_GROUP : PLAIT__ON_TASK, until);
                plait__group_lock(inner);
                if (rc < 0)
                        break;
        }
        if (what == PLAIT__WATCH_ROOM)
                rc = plait__scope_state(strand, skip);
        else if (done(inner, object))
                rc = 0;                         /* what completed is not thrown away */
        waiter_remove(inner, strand);
        plait__group_unlock(inner);
        if (watches)
                plait__class_of(executor)->unwatch(executor, strand, what);
        return rc;
}

/* The group's own deadline is its tasks' business, but for those that have not begun. */
static plait_time next_look(struct plait__strand *strand, const struct plait__group *group, plait_time until)
{
        plait_time deadline = group->scope.deadline;

        if (group->scope.group_local || deadline >= until || deadline <= plait__loop_now(strand->loop))
                return until;
        return deadline;
}

void plait__group_wait_all(struct plait__strand *strand, plait_group *group, bool cancellable)
{
        struct plait__group *inner = plait__group_of(group);
        plait_time until = cancellable ? plait__scope_reach(strand, &inner->scope) : PLAIT_FOREVER;
        plait_executor *executor = group->executor;
        bool watches = false;
        int rc;

        plait__group_lock(inner);
        if (inner->live) {
                waiter_add(inner, strand, group);
                watches = watch(strand, group, PLAIT__WATCH_STUCK);
                do {
                        plait__group_unlock(inner);
                        rc = cancellable ? plait__scope_state(strand, &inner->scope) : 0;
                        if (rc < 0) {
                                plait__group_end_scope(group, rc == -ETIMEDOUT ? PLAIT__CANCEL_TIMEOUT : PLAIT__CANCEL_OUTER);
                                cancellable = false;            /* it goes on until all have ended */
                                until = PLAIT_FOREVER;
                        }
                        while (!inner->scope.group_local && take_back(strand, group))
                                ;
                        plait__park(strand, PLAIT__ON_GROUP, next_look(strand, inner, until));
                        plait__group_lock(inner);
                } while (inner->live);
                waiter_remove(inner, strand);
        }
        plait__group_unlock(inner);
        if (watches)
                plait__class_of(executor)->unwatch(executor, strand, PLAIT__WATCH_STUCK);
}

void plait__group_wake_locked(struct plait__group *group)
{
        struct plait__strand *waiter, *next;

        for (waiter = group->waiters; waiter; waiter = next) {
                next = waiter->wait.next ? plait__container(waiter->wait.next, struct plait__strand, wait) : NULL;
                plait__unpark(waiter);
        }
}

void plait__group_wake(plait_group *group)
{
        struct plait__group *inner = plait__group_of(group);

        plait__group_lock(inner);
        plait__group_wake_locked(inner);
        plait__group_unlock(inner);
}
