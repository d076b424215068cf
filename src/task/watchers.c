/* Strands that wait for a task without being of its group. The owner and the group's tasks keep the group open while they wait,
 * and so wait on it; anybody else may find it closed, and its memory gone, once the task has ended. So these enter one list
 * of the whole process, are handed the result when the task ends, and look at neither task nor group afterwards.
 *
 * The task bears a mark, WATCHED, set with its group locked. A local group has no lock, and only its own thread touches it:
 * from another thread its home loop is asked, through its inbox, to put the mark there (AWAITED). Should the group end
 * before that comes about, its end tells them.
 *
 * A select (select.c) enters the list by a registration, whatever group its task is of.
 *
 * Locks: a group's, then the list's. */
#include <errno.h>

#include "core/strand.h"
#include "sync/select.h"
#include "sync/waiters.h"
#include "task/group.h"

_Atomic unsigned plait__watchers;

static plait__spin guard;
static struct plait__link watchers;             /* by `wait`; `object`: the task; strand.slot: its result, when granted */

/* With the guard held. */
static void enter(struct plait__link *wait)
{
        plait__list_append(&watchers, wait);
        atomic_fetch_add_explicit(&plait__watchers, 1, memory_order_relaxed);
}

static const struct plait_task *task_of(struct plait__link *wait)
{
        struct plait__registration *registration = plait__registration_of(wait);

        return registration ? registration->object : plait__container(wait, struct plait__strand, wait)->object;
}

static void tell(struct plait__link *wait, int result)
{
        struct plait__registration *registration = plait__registration_of(wait);
        struct plait__strand *strand = registration ? registration->select->strand : plait__container(wait, struct plait__strand, wait);

        plait__list_remove(wait);
        atomic_fetch_sub_explicit(&plait__watchers, 1, memory_order_relaxed);
        if (registration && !plait__registration_claim(registration))
                return;
        strand->slot = (void *)(intptr_t)result;
        plait__grant(strand);
}

/* Those who wait for the task, or (NULL) for any that has ended of the group. */
static void tell_all(const struct plait_task *task, const plait_group *group)
{
        struct plait__link *link, *next;
        const struct plait_task *object;

        plait__spin_acquire(&guard);
        for (link = watchers.next; link && link != &watchers; link = next) {
                next = link->next;
                object = task_of(link);
                if (task ? object != task : object->group != group)
                        continue;
                plait__store(&plait__group_of(object->group)->read, true);
                tell(link, object->result);
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
static void watch_afar(struct plait__link *wait, struct plait_task *task)
{
        plait__spin_acquire(&guard);
        enter(wait);
        atomic_fetch_or_explicit(&task->strand.cancelled, PLAIT__WATCHED | PLAIT__SPREAD, memory_order_relaxed);
        plait__unpark(&task->strand);
        plait__spin_release(&guard);
}

static bool watch_near(struct plait__link *wait, struct plait_task *task, int *ret_result)
{
        struct plait__group *group = plait__group_of(task->group);
        bool ended;

        plait__group_lock(group);
        ended = plait__load(&task->strand.state) == PLAIT__ENDED;
        if (ended) {
                *ret_result = task->result;
        } else {
                plait__spin_acquire(&guard);
                enter(wait);
                plait__spin_release(&guard);
                atomic_fetch_or_explicit(&task->strand.cancelled, PLAIT__WATCHED, memory_order_relaxed);
        }
        plait__group_unlock(group);
        return !ended;
}

/* False: it has ended. */
static bool watch(struct plait__loop *loop, struct plait__link *wait, struct plait_task *task, int *ret_result)
{
        struct plait__group *group = plait__group_of(task->group);

        if (!group->scope.group_local || group->loop == loop)
                return watch_near(wait, task, ret_result);
        watch_afar(wait, task);
        return true;
}

/* Cut short; false: it was told meanwhile, and has that. */
static bool leave(struct plait__link *wait)
{
        bool left;

        plait__spin_acquire(&guard);
        left = wait->next != NULL;
        if (left) {
                plait__list_remove(wait);
                atomic_fetch_sub_explicit(&plait__watchers, 1, memory_order_relaxed);
        }
        plait__spin_release(&guard);
        return left;
}

int plait__task_wait_outside(struct plait__strand *strand, struct plait_task *task, int *ret)
{
        int rc, result;

        strand->object = task;
        plait__store(&strand->granted, PLAIT__NOT_GRANTED);
        if (!watch(strand->loop, &strand->wait, task, &result)) {
                if (ret)
                        *ret = result;
                return 0;
        }
        rc = plait__wait_granted(strand, PLAIT__ON_TASK, PLAIT_FOREVER);
        if (rc < 0 && leave(&strand->wait))
                return rc;
        if (rc < 0)
                plait__wait_uncancelled(strand, PLAIT__ON_TASK);
        if (ret)
                *ret = (int)(intptr_t)strand->slot;
        return 0;
}

/* ---- the case of a select */

static enum plait__look look(void *object, void *item, struct plait__registration *joins, int *ret)
{
        struct plait_task *task = object;

        (void)item;
        if (!task || plait__load_acquire(&task->strand.state) == PLAIT__ENDED)         /* pairs with its end */
                *ret = task ? task->result : -ENOMEM;
        else if (!joins || watch(joins->select->strand->loop, &joins->wait, task, ret))
                return PLAIT__LOOK_WAITS;
        return !joins || plait__registration_claim(joins) ? PLAIT__LOOK_TAKEN : PLAIT__LOOK_LOST;
}

static void leave_list(struct plait__registration *registration)
{
        leave(&registration->wait);
}

static int outcome(const struct plait__strand *strand)
{
        return (int)(intptr_t)strand->slot;
}

const struct plait__selectable plait__task_ends = {look, leave_list, outcome};
