/* A group from its opening to its end, and who may call what. How tasks are started in it is in start.c, how it is waited for
 * in wait.c, what becomes of failures in failures.c. */
#include "plait/group.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/panic.h"
#include "core/strand.h"
#include "task/executor.h"
#include "task/group.h"

const char *plait__group_name(const plait_group *group)
{
        return group->name ? group->name : "unnamed";
}

/* ---- who may call */

void plait__group_not_open(const char *call, const plait_group *group)
{
        plait__panic(call, "the group '%s' is not open", plait__group_name(group));
}

/* Of a detached group, which has no owner. */
static void check_alone(const char *call, const plait_group *group)
{
        struct plait__group *inner = plait__group_of(group);
        const struct plait__strand *waiter;

        plait__group_lock(inner);
        for (waiter = inner->waiters; waiter && waiter->object != group;)
                waiter = waiter->wait.next ? plait__container(waiter->wait.next, struct plait__strand, wait) : NULL;
        if (waiter)
                plait__panic(call, "another strand is waiting for the group '%s'", plait__group_name(group));
        plait__group_unlock(inner);
}

static void check_owner(const char *call, const plait_group *group, const struct plait__strand *strand)
{
        plait__group_check_open(call, group);
        if (plait__task_of(strand)->group == group)
                plait__panic(call, "called by a task of the group '%s', which it would wait for", plait__group_name(group));
        if (!group->detached && plait__group_of(group)->scope.owner != strand)
                plait__panic(call, "not called by the owner of the group '%s'", plait__group_name(group));
        if (group->detached)
                check_alone(call, group);
}

/* ---- opening */

static void forget(plait_group *group);

void plait_group_open(plait_group *group)
{
        struct plait__strand *strand = plait__strand_or_abort(__func__);
        struct plait__group *inner = plait__group_of(group);
        struct plait__loop *loop = strand->loop;
        plait_time deadline = PLAIT_FOREVER;
        const struct plait__executor_class *class;
        size_t bound;

        if (inner->scope.group_state == PLAIT__GROUP_OPEN)
                plait__panic(__func__, "the group '%s' is open already", plait__group_name(group));
        if (inner->scope.group_state == PLAIT__GROUP_ENDED)
                forget(group);
        memset(group->private_, 0, sizeof group->private_);
        if (!group->executor)
                group->executor = plait_coroutines();
        class = plait__class_of(group->executor);
        bound = group->limit;
        if (!bound && !class->take_back)        /* else its tasks stand in the executor's own line */
                bound = class->width(group->executor);
        inner->bound = bound > UINT32_MAX ? 0 : (uint32_t)bound;
        inner->loop = loop;
        inner->scope.group_local = group->executor->class->local && !group->detached;
        plait__store(&inner->scope.group_state, PLAIT__GROUP_OPEN);
        if (plait__unlikely(class->task_starts && !group->executor->constant)) {
                plait__store(&inner->scope.group_flags, PLAIT__GROUP_COUNTED);
                if (group->executor->class->local)
                        plait__coroutines_group_opens(group->executor, group);
        }
        if (group->within && group->within != PLAIT_FOREVER)
                deadline = plait__clock_after(plait__loop_now(loop), group->within);
        if (group->detached) {
                inner->scope.deadline = deadline;
                plait__store(&inner->scope.reach, deadline);
                inner->scope.kind = PLAIT__SCOPE_GROUP;
                if (group->executor->class->local) {
                        atomic_fetch_or_explicit(&inner->scope.group_flags, PLAIT__GROUP_LODGES, memory_order_relaxed);
                        atomic_fetch_add_explicit(&loop->lodgers, 1, memory_order_relaxed);
                }
                return;
        }
        plait__scope_push(strand, &inner->scope, PLAIT__SCOPE_GROUP, deadline);
        if (!inner->scope.group_local)
                plait__tree_add(strand, group);
}

/* ---- waiting */

static bool some_ended(struct plait__group *group, void *object)
{
        (void)object;
        return group->ended || group->owed == 0;
}

static bool has_room(struct plait__group *group, void *object)
{
        plait_executor *executor = ((plait_group *)object)->executor;

        if (group->bound && group->begun >= group->bound)
                return false;
        return !plait__class_of(executor)->has_room || plait__class_of(executor)->has_room(executor);
}

static void free_tasks(plait_group *group, struct plait__loop *loop)
{
        struct plait__group *inner = plait__group_of(group);
        struct plait__link *link = inner->tasks ? &inner->tasks->siblings : NULL, *next;
        struct plait_task *task;

        for (; link; link = next) {
                next = link->next;
                task = plait__container(link, struct plait_task, siblings);
                if (!(task->strand.flags & PLAIT__FAILED))
                        plait__record_free(loop, task);
        }
        inner->tasks = NULL;
        inner->ended = NULL;
}

plait_group *_Atomic plait__interruptible;
void (*plait__interruptible_ended)(plait_group *group);

/* No task is left: the group is no scope any more; failures stay. */
void plait__group_close(plait_group *group, struct plait__strand *strand)
{
        struct plait__group *inner = plait__group_of(group);

        if (plait__unlikely(plait__load(&plait__interruptible) == group))
                plait__interruptible_ended(group);
        if (plait__unlikely(plait__load_acquire(&inner->scope.group_flags) & PLAIT__GROUP_LISTED))
                plait__coroutines_group_ends(group);
        if (!group->detached && !inner->scope.group_local)
                plait__tree_remove(strand, group);      /* first: who cancels from outside finds the tasks by it */
        if (plait__unlikely(inner->scope.group_local && plait__load(&plait__watchers)))
                plait__group_tell(group);
        free_tasks(group, strand->loop);
        if (group->detached) {
                plait__scope_uncancel(&inner->scope);
                if (plait__load(&inner->scope.group_flags) & PLAIT__GROUP_LODGES)
                        atomic_fetch_sub_explicit(&inner->loop->lodgers, 1, memory_order_relaxed);
        } else {
                plait__scope_remove(strand, &inner->scope);
        }
        if (inner->failed)
                plait__group_keep_failures(inner);
        plait__store(&inner->scope.group_state, PLAIT__GROUP_ENDED);
}

static void forget(plait_group *group)
{
        if (plait__group_of(group)->failed)
                plait__group_forget_failures(group);
        memset(group->private_, 0, sizeof group->private_);
}

int plait__group_result(const plait_group *group)
{
        const struct plait__group *inner = plait__group_of(group);

        return inner->failures ? inner->first_failure : inner->cut;
}

int plait_group_wait(plait_group *group)
{
        struct plait__strand *strand = plait__strand_or_abort(__func__);

        check_owner(__func__, group, strand);
        plait__point(strand->loop, true);
        plait__group_wait_all(strand, group, true);
        plait__group_close(group, strand);
        return plait__group_result(group);
}

static bool has_live(struct plait__group *group)
{
        bool live;

        plait__group_lock(group);
        live = group->live;
        plait__group_unlock(group);
        return live;
}

void (*plait__failures_unread)(const plait_group *group);

void plait_group_done(plait_group *group)
{
        struct plait__group *inner = plait__group_of(group);
        struct plait__strand *strand;

        plait__not_forked(__func__);
        if (inner->scope.group_state == PLAIT__GROUP_OPEN) {
                strand = plait__strand_or_abort(__func__);
                check_owner(__func__, group, strand);
                plait__point(strand->loop, true);
                if (has_live(inner))
                        plait__group_end_scope(group, PLAIT__CANCEL_QUIET);
                plait__group_wait_all(strand, group, false);
                plait__group_close(group, strand);
                if (plait__unlikely(inner->failures) && plait__failures_unread && !plait__load(&inner->read))
                        plait__failures_unread(group);
        }
        if (inner->scope.group_state == PLAIT__GROUP_ENDED)
                forget(group);
}

static int next_task(const char *call, plait_group *group, plait_task **ret)
{
        struct plait__strand *strand = plait__strand_or_abort(call);
        struct plait__group *inner = plait__group_of(group);
        struct plait_task *task;
        int rc;

        check_owner(call, group, strand);
        plait__point(strand->loop, true);
        rc = plait__scope_state(strand, &inner->scope);
        if (rc < 0) {
                plait__yield(strand);
                return rc;
        }
        rc = plait__group_park(strand, group, group, some_ended, &inner->scope, PLAIT__WATCH_STUCK);
        if (rc < 0)
                return rc;
        plait__group_lock(inner);
        task = plait__group_next_ended(inner);
        inner->owed -= task != NULL;
        if (task && task->result < 0)
                plait__store(&inner->read, true);
        plait__group_unlock(inner);
        if (!task)
                return -ENOENT;
        *ret = task;
        return 0;
}

int plait_group_next(plait_group *group, plait_task **ret)
{
        return next_task(__func__, group, ret);
}

int plait_group_next_failed(plait_group *group, plait_task **ret)
{
        plait_task *task;
        int rc;

        do
                rc = next_task(__func__, group, &task);
        while (rc == 0 && !(task->strand.flags & PLAIT__FAILED));
        if (rc == 0)
                *ret = task;
        return rc;
}

int plait_group_room(plait_group *group)
{
        struct plait__strand *strand = plait__strand_or_abort(__func__);
        int rc;

        check_owner(__func__, group, strand);
        rc = plait__enter(strand);
        return rc < 0 ? rc : plait__group_park(strand, group, group, has_room, NULL, PLAIT__WATCH_ROOM);
}

/* ---- the block that PLAIT_GROUP is in */

void plait__group_begin(plait_group *group)
{
        if (group->detached)
                plait__panic("PLAIT_GROUP", "the group '%s' is detached: it belongs to no block", plait__group_name(group));
        plait_group_open(group);
}

/* The end of a block acts only on what this strand has open: gcc lets a goto jump over the declaration. A group that its
 * strand has waited for still has its failures to give back. */
void plait__group_end(plait_group *group)
{
        struct plait__loop *loop = plait__loop_here;
        const struct plait__scope *scope;

        if (!loop)
                return;
        for (scope = loop->current->scope; scope; scope = plait__load(&scope->parent)) {
                if (scope == plait__group_scope(group)) {
                        plait_group_done(group);
                        return;
                }
        }
        if (plait__unlikely(plait__load(&plait__failures_kept) != NULL))
                plait__group_forget_failures(group);
}
