/* Strands that wait for a task without being of its group. The owner and the group's tasks keep the group open while they wait,
 * and so wait on it; anybody else may find it closed, and its memory gone, once the task has ended. So these enter one list
 * of the whole process, are handed the result when the task ends, and look at neither task nor group afterwards.
 *
 * The task bears a mark, WATCHED, set with its group locked. A local group has no lock, and only its own thread touches it:
 * from another thread its home loop is asked, through its inbox, to put the mark there (AWAITED). Should the group end
 * before that comes about, its end tells them.
 *
 * Locks: a group's, then the list's. */
#include "base/panic.h"
#include "core/strand.h"
#include "sync/waiters.h"
#include "task/group.h"

_Atomic unsigned plait__watchers;

static plait__spin guard;
static struct plait__link watchers;             /* by strand.wait; strand.object: the task; slot: its result, when granted */

/* With the guard held. */
static void enter(struct plait__strand *strand, struct plait_task *task)
{
        strand->object = task;
        plait__waiters_add(&watchers, strand);
        atomic_fetch_add_explicit(&plait__watchers, 1, memory_order_relaxed);
}

static void tell(struct plait__strand *strand, int result)
{
        plait__list_remove(&strand->wait);
        atomic_fetch_sub_explicit(&plait__watchers, 1, memory_order_relaxed);
        strand->slot = (void *)(intptr_t)result;
        plait__grant(strand);
}

/* Those who wait for the task, or (NULL) for any that has ended of the group. */
static void tell_all(const struct plait_task *task, const plait_group *group)
{
        struct plait__link *link, *next;
        struct plait__strand *strand;
        const struct plait_task *object;

        plait__spin_acquire(&guard);
        for (link = watchers.next; link && link != &watchers; link = next) {
                next = link->next;
                strand = plait__container(link, struct plait__strand, wait);
                object = strand->object;
                if (task ? object == task : object->group == group)
                        tell(strand, object->result);
        }
        plait__spin_release(&guard);
}

void plait__task_tell(struct plait_task *task)
{
        tell_all(task, NULL);
}

void plait__group_tell(const plait_group *group)
{
        tell_all(NULL, group);
}

void plait__task_watch(struct plait_task *task)
{
        if (plait__load(&task->strand.state) == PLAIT__ENDED)
                plait__task_tell(task);
        else
                task->strand.flags |= PLAIT__AWAITED;
}

/* All of it with the guard held, so that whoever tells finds it done. */
static void watch_afar(struct plait__strand *strand, struct plait_task *task)
{
        plait__spin_acquire(&guard);
        enter(strand, task);
        atomic_fetch_or_explicit(&task->strand.cancelled, PLAIT__WATCHED | PLAIT__SPREAD, memory_order_relaxed);
        plait__unpark(&task->strand);
        plait__spin_release(&guard);
}

/* False: it has ended. */
static bool watch(struct plait__strand *strand, struct plait_task *task, int *ret_result)
{
        struct plait__group *group = plait__group_of(task->group);
        bool ended;

        plait__group_lock(group);
        ended = plait__load(&task->strand.state) == PLAIT__ENDED;
        if (ended) {
                *ret_result = task->result;
        } else {
                plait__spin_acquire(&guard);
                enter(strand, task);
                plait__spin_release(&guard);
                atomic_fetch_or_explicit(&task->strand.cancelled, PLAIT__WATCHED, memory_order_relaxed);
        }
        plait__group_unlock(group);
        return !ended;
}

/* Cut short; false: it was told meanwhile, and has that. */
static bool leave(struct plait__strand *strand)
{
        bool left;

        plait__spin_acquire(&guard);
        left = plait__waiters_leave(strand);
        if (left)
                atomic_fetch_sub_explicit(&plait__watchers, 1, memory_order_relaxed);
        plait__spin_release(&guard);
        return left;
}

int plait__task_wait_outside(struct plait__strand *strand, struct plait_task *task, int *ret)
{
        struct plait__group *group = plait__group_of(task->group);
        int rc, result;

        if (group->scope.group_local && group->loop != strand->loop) {
                watch_afar(strand, task);
        } else if (!watch(strand, task, &result)) {
                if (ret)
                        *ret = result;
                return 0;
        }
        rc = plait__wait_granted(strand, PLAIT__ON_TASK, PLAIT_FOREVER);
        if (rc < 0 && leave(strand))
                return rc;
        if (rc < 0)
                plait__wait_uncancelled(strand, PLAIT__ON_TASK);
        if (ret)
                *ret = (int)(intptr_t)strand->slot;
        return 0;
}
