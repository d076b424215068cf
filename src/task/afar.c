/* Waiting for a task of a local group from another thread. Such a group has no lock, and only its own thread touches it; so who
 * waits enters one list of the whole process and asks the task's home loop, through its inbox, to tell of the end. */
#include "core/strand.h"
#include "sync/waiters.h"
#include "task/group.h"

static plait__spin guard;
static struct plait__link watchers;             /* by strand.wait; strand.object: the task; slot: its result, when granted */

void plait__task_tell_afar(struct plait_task *task)
{
        struct plait__link *link, *next;
        struct plait__strand *strand;

        plait__spin_acquire(&guard);
        for (link = watchers.next; link && link != &watchers; link = next) {
                next = link->next;
                strand = plait__container(link, struct plait__strand, wait);
                if (strand->object != task)
                        continue;
                plait__list_remove(link);
                strand->slot = (void *)(intptr_t)task->result;
                plait__grant(strand);
        }
        plait__spin_release(&guard);
}

void plait__task_watch(struct plait_task *task)
{
        if (plait__load(&task->strand.state) == PLAIT__ENDED)
                plait__task_tell_afar(task);
        else
                task->strand.flags |= PLAIT__AWAITED;
}

int plait__task_wait_afar(struct plait__strand *strand, struct plait_task *task, int *ret)
{
        int rc;

        strand->object = task;
        plait__spin_acquire(&guard);
        plait__waiters_add(&watchers, strand);
        plait__spin_release(&guard);
        atomic_fetch_or_explicit(&task->strand.cancelled, PLAIT__WATCHED | PLAIT__SPREAD, memory_order_relaxed);
        plait__unpark(&task->strand);
        rc = plait__wait_granted(strand, PLAIT__ON_TASK, PLAIT_FOREVER);
        if (rc < 0) {
                plait__spin_acquire(&guard);
                if (!plait__waiters_leave(strand))
                        rc = 0;
                plait__spin_release(&guard);
                if (rc == 0)
                        plait__wait_uncancelled(strand, PLAIT__ON_TASK);
        }
        if (rc == 0 && ret)
                *ret = (int)(intptr_t)strand->slot;
        return rc;
}
