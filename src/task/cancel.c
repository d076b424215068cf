/* How a cancel finds those who are parked.
 *
 * Every waiting call looks along the chain of scopes by itself; what is done here is only to wake who is parked below a scope
 * that has just been cancelled, so that it looks. On its own thread a cancel walks: group, tasks, the groups that those
 * have open, and so on. For a strand of another thread it goes on into those of the strand's groups whose tasks run on yet other
 * threads (they are on the strand's list, guarded by one lock for the whole tree), and asks the strand's home loop to walk the
 * rest: that loop does so when it takes the strand out of its inbox. */
#include <errno.h>

#include "base/panic.h"
#include "core/strand.h"
#include "task/executor.h"
#include "task/group.h"

static plait__spin tree;

void plait__tree_add(struct plait__strand *owner, plait_group *group)
{
        plait__spin_acquire(&tree);
        plait__group_of(group)->next_open = owner->groups;
        owner->groups = group;
        plait__spin_release(&tree);
}

void plait__tree_remove(struct plait__strand *owner, plait_group *group)
{
        plait_group **link;

        plait__spin_acquire(&tree);
        for (link = &owner->groups; *link != group; link = &plait__group_of(*link)->next_open)
                ;
        *link = plait__group_of(group)->next_open;
        plait__spin_release(&tree);
}

static bool is_inside(const struct plait__scope *scope, const struct plait__scope *outer)
{
        while (scope && scope != outer)
                scope = plait__load(&scope->parent);
        return scope || !outer;
}

static void wake_strand(struct plait__strand *strand, const struct plait__scope *within);

/* With the tree locked. */
static void wake_tasks(plait_group *group)
{
        struct plait__group *inner = plait__group_of(group);
        struct plait__link *link;
        struct plait_task *task;

        plait__group_lock(inner);
        for (link = inner->tasks ? &inner->tasks->siblings : NULL; link; link = link->next) {
                task = plait__container(link, struct plait_task, siblings);
                if (plait__load(&task->strand.state) == PLAIT__RUNNING)
                        wake_strand(&task->strand, NULL);
                if (plait__load(&task->strand.state) == PLAIT__RUNNING || plait__load(&task->strand.state) == PLAIT__AWAY)
                        plait__class_of(group->executor)->cancel(group->executor, task);
        }
        plait__group_unlock(inner);
}

static void wake_strand(struct plait__strand *strand, const struct plait__scope *within)
{
        const struct plait__scope *scope;
        plait_group *group;

        if (strand->loop == plait__loop_here) {
                for (scope = strand->scope; scope; scope = plait__load(&scope->parent)) {
                        if (scope->kind == PLAIT__SCOPE_GROUP)
                                wake_tasks(plait__container((void *)(uintptr_t)scope, plait_group, private_));
                        if (scope == within)
                                break;
                }
        } else {
                for (group = strand->groups; group; group = plait__group_of(group)->next_open)
                        if (is_inside(plait__group_scope(group), within))
                                wake_tasks(group);
                atomic_fetch_or_explicit(&strand->cancelled, PLAIT__SPREAD, memory_order_relaxed);
        }
        plait__unpark(strand);
}

void plait__wake_below(struct plait__strand *strand, const struct plait__scope *within)
{
        plait__spin_acquire(&tree);
        wake_strand(strand, within);
        plait__spin_release(&tree);
}

static void spread(struct plait__strand *strand)
{
        struct plait__loop *loop = plait__loop_here;

        uint8_t flags = atomic_fetch_and_explicit(&strand->cancelled, (uint8_t) ~(PLAIT__SPREAD | PLAIT__WATCHED), memory_order_relaxed);

        if (flags & PLAIT__WATCHED)
                plait__task_watch(plait__task_of(strand));
        if (strand->loop != loop)
                return;
        if (strand == &loop->main->strand && plait__load(&strand->cancelled) & PLAIT__CANCELLED) {
                plait__strand_uncancel(strand);         /* meant for the task that has this thread, if it still has one */
                if (loop->line != strand)
                        plait__strand_cancel(loop->line);
                strand = loop->line;
        }
        plait__wake_below(strand, NULL);
}

__attribute__((constructor)) static void join_core(void)
{
        plait__spread = spread;
}

void plait__group_end_scope(plait_group *group, enum plait__cancel how)
{
        struct plait__group *inner = plait__group_of(group);

        if (inner->scope.deadline != PLAIT_FOREVER && plait_now() >= inner->scope.deadline)
                return;                         /* it has ended by its time already */
        if (!plait__scope_cancel(&inner->scope, how))
                return;
        plait__spin_acquire(&tree);
        if (!inner->scope.group_local)
                wake_tasks(group);
        if (inner->scope.owner)                 /* a local group is on its owner's chain: woken with it */
                wake_strand(inner->scope.owner, &inner->scope);
        plait__spin_release(&tree);
}

void plait_group_cancel(plait_group *group)
{
        plait__not_forked(__func__);
        plait__point_here();
        if (plait__group_of(group)->scope.group_state == PLAIT__GROUP_OPEN)
                plait__group_end_scope(group, PLAIT__CANCEL_QUIET);
}

void plait__scope_cancel_inside(plait_scope *scope)
{
        struct plait__scope *inner = (struct plait__scope *)(void *)scope->private_;

        if (inner->deadline != PLAIT_FOREVER && plait_now() >= inner->deadline)
                return;                         /* it has ended by its time already */
        if (plait__scope_cancel(inner, PLAIT__CANCEL_OUTER))
                plait__wake_below(inner->owner, inner);
}

void plait_scope_cancel(plait_scope *scope)
{
        plait__not_forked(__func__);
        plait__point_here();
        plait__scope_cancel_inside(scope);
}

/* ---- one task */

static bool cancel_task(struct plait_task *task)
{
        struct plait__group *group = plait__group_of(task->group);
        bool local = !group->scope.group_local || group->loop == plait__loop_here;
        bool ended;

        plait__spin_acquire(&tree);
        if (local)
                plait__group_lock(group);
        ended = local && plait__load(&task->strand.state) == PLAIT__ENDED;
        if (!ended) {
                plait__strand_cancel(&task->strand);
                if (!local || plait__load(&task->strand.state) == PLAIT__RUNNING)
                        wake_strand(&task->strand, NULL);
                if (local && plait__load(&task->strand.state) != PLAIT__NEW)
                        plait__class_of(task->group->executor)->cancel(task->group->executor, task);
        }
        if (local)
                plait__group_unlock(group);
        plait__spin_release(&tree);
        return !ended;
}

void plait_task_cancel(plait_task *task)
{
        plait__not_forked(__func__);
        plait__point_here();
        if (task)
                cancel_task(task);
}

int plait_task_kill(plait_task *task)
{
        const struct plait__executor_class *class;

        plait__not_forked(__func__);
        plait__point_here();
        if (!task)
                return 0;
        class = plait__class_of(task->group->executor);
        if (!class->kill)
                return -ENOTSUP;
        return cancel_task(task) ? class->kill(task->group->executor, task) : 0;
}
