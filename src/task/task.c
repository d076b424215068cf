/* The life of one task, from beginning to end, and what may be asked about it. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/panic.h"
#include "base/sys.h"
#include "core/strand.h"
#include "task/executor.h"
#include "task/group.h"

const char *plait_task_name(const plait_task *task)
{
        plait__not_forked(__func__);
        if (!task)
                return "";
        if (task->extra && task->extra->name[0])
                return task->extra->name;
        return task->group && task->group->name ? task->group->name : "";
}

/* ---- rings by strand.next, known by their last */

static void ring_append(struct plait_task **last, struct plait_task *task)
{
        if (*last) {
                task->strand.next = (*last)->strand.next;
                (*last)->strand.next = &task->strand;
        } else {
                task->strand.next = &task->strand;
        }
        *last = task;
}

static struct plait_task *ring_pop(struct plait_task **last)
{
        struct plait_task *first;

        if (!*last)
                return NULL;
        first = plait__task_of((*last)->strand.next);
        if (first == *last)
                *last = NULL;
        else
                (*last)->strand.next = first->strand.next;
        return first;
}

struct plait_task *plait__group_next_ended(struct plait__group *group)
{
        return ring_pop(&group->ended);
}

void plait__group_withhold(struct plait__group *group, struct plait_task *task)
{
        task->strand.flags |= PLAIT__WITHHELD;
        ring_append(&group->withheld, task);
}

/* ---- beginning */

static int begin(struct plait_task *task)
{
        struct plait__group *group = plait__group_of(task->group);

        if (!group->scope.group_local) {                    /* so that a cancel either sees it running, or is seen by it */
                plait__spin_acquire(&group->lock);
                plait__store(&task->strand.state, PLAIT__RUNNING);
                plait__spin_release(&group->lock);
        }
        if (task->extra && task->extra->within)
                task->extra->deadline = plait__clock_after(plait__loop_now(task->strand.loop), task->extra->within);
        plait__scope_begin_task(&task->strand);
        return task->strand.flags & PLAIT__POSTED ? 0 : plait__check(&task->strand);
}

static void check_end(const struct plait_task *task)
{
        const struct plait__scope *scope = task->strand.scope;

        if (!scope)
                return;
        plait__panic("task", "the task '%s' returned while a %s that it opened is still open", plait_task_name(task),
                     scope->kind == PLAIT__SCOPE_GROUP ? "group" : "scope");
}

void plait__task_body(struct plait_task *task, int failed)
{
        int result = failed < 0 ? failed : begin(task);
        struct plait_gil *gil;

        if (result == 0) {
                gil = plait__unlikely(task->strand.flags & PLAIT__TAKEN) ? task->group->executor->gil : task->strand.loop->gil;
                if (gil)
                        plait__gil_return(&task->strand, gil);
                result = plait__is_simulated() ? plait__simulator.run(task) : task->fn(task->arg);
                check_end(task);
        }
        plait__task_finish(task, result);
}

void plait__task_on_line(struct plait__loop *loop, struct plait_task *task)
{
        task->strand.loop = loop;
        task->fiber = loop->main->fiber;
        loop->line = loop->current = &task->strand;
        plait__task_body(task, 0);
}

/* The thread's own strand has its line again: the task's record may be gone as soon as its end is known. */
static void leave_line(struct plait__loop *loop, struct plait_task *task)
{
        loop->main->fiber = task->fiber;
        loop->line = loop->current = &loop->main->strand;
}

/* ---- ending */

/* What the end means for the group. */
enum verdict { SUCCESS, FAILURE, CUT, IGNORED };

static enum verdict judge(struct plait_task *task, int result, int *ret_state)
{
        struct plait__group *group = plait__group_of(task->group);
        struct plait__scope *scope = &group->scope, *parent;
        int outer;

        if (result >= 0)
                return SUCCESS;
        if (plait__load(&task->strand.cancelled) & PLAIT__CANCELLED)
                return IGNORED;
        if (result != -ECANCELED && result != -ETIMEDOUT)
                return FAILURE;
        *ret_state = plait__scope_state(&task->strand, NULL);
        if (*ret_state == 0)
                return FAILURE;
        if (plait__load(&scope->cancelled) != PLAIT__CANCEL_QUIET)
                return CUT;
        parent = plait__load(&scope->parent);
        outer = scope->owner || parent ? plait__scope_state_from(plait__loop_here, scope->owner, parent) : 0;
        return outer ? CUT : IGNORED;
}

/* The record of a posted task that is kept because it failed; its bytes need not be. */
static void free_bytes(struct plait_task *task)
{
        if (!(task->strand.flags & PLAIT__OWN_BYTES))
                return;
        plait__sys.free(task->arg);
        task->arg = NULL;
        task->strand.flags &= (uint8_t)~PLAIT__OWN_BYTES;
}

static void unlink_task(struct plait_task *task)
{
        struct plait__group *group = plait__group_of(task->group);
        struct plait__link *link = &task->siblings;

        if (link->prev)
                link->prev->next = link->next;
        else
                group->tasks = link->next ? plait__container(link->next, struct plait_task, siblings) : NULL;
        if (link->next)
                link->next->prev = link->prev;
}

void plait__group_forget(plait_group *group, struct plait_task *task)
{
        struct plait__group *inner = plait__group_of(group);

        plait__group_lock(inner);
        if (task->strand.flags & PLAIT__FAILED)
                plait__group_drop_failure(inner, task);
        unlink_task(task);
        plait__group_unlock(inner);
        plait__record_free(plait__loop_here, task);
}

/* Locks the group when no wake-up of the strand is under way: they are sent with the group locked, so none comes after this,
 * and nobody touches the strand once its end is known. */
static void lock_for_good(struct plait__group *group, struct plait__strand *strand)
{
        for (;;) {
                plait__group_lock(group);
                if (strand->loop != plait__loop_here || !plait__load(&strand->remote))
                        return;
                plait__group_unlock(group);
                plait__loop_drain(plait__loop_here);
        }
}

static void hand_over(struct plait_task *task)
{
        plait_executor *executor = task->group->executor;
        int rc = plait__class_of(executor)->start(executor, task);

        if (rc < 0)
                plait__task_finish_here(task, rc);
}

/* The task leaves its group's accounts, and one behind the limit may begin. `cut`: what it was cut short by, if it was. */
static inline void leave_group(struct plait_task *task, int result, int cut)
{
        struct plait__strand *strand = &task->strand;
        struct plait__group *group = plait__group_of(task->group);
        struct plait_task *next;
        bool gone = false, counted = plait__load(&group->scope.group_flags) & PLAIT__GROUP_COUNTED;
        plait_executor *executor = task->group->executor;

        lock_for_good(group, strand);
        task->result = result;
        plait__store_release(&strand->state, PLAIT__ENDED);             /* pairs with plait_task_result() */
        if (plait__unlikely(strand->flags & PLAIT__AWAITED || plait__load(&strand->cancelled) & PLAIT__WATCHED))
                plait__task_tell(task);
        if (cut && !group->cut)
                group->cut = (int8_t)cut;
        group->live--;
        group->begun--;
        next = ring_pop(&group->withheld);
        if (next) {
                next->strand.flags &= (uint8_t)~PLAIT__WITHHELD;
                group->begun++;
        }
        if (!(strand->flags & PLAIT__POSTED)) {
                ring_append(&group->ended, task);
        } else if (!(strand->flags & PLAIT__FAILED)) {
                unlink_task(task);
                gone = true;
        } else {
                free_bytes(task);
        }
        if (group->waiters)
                plait__group_wake_locked(group);
        plait__group_unlock(group);             /* from here on the group may be gone, unless `next` holds it */
        if (gone)
                plait__record_free(plait__loop_here, task);
        if (next)
                hand_over(next);
        if (plait__unlikely(counted))
                plait__class_of(executor)->task_ends(executor); /* last of all: it may be closed then */
}

void plait__task_finish(struct plait_task *task, int result)
{
        struct plait__loop *here = plait__loop_here;
        struct plait__strand *strand = &task->strand;
        plait_group *group = task->group;
        int state = 0;
        enum verdict verdict = judge(task, result, &state);

        plait__record_end_locals(task);
        if (strand->gil)
                plait__gil_leave(strand, strand->gil);
        if (strand->timer.place)
                plait__timers_remove(&strand->loop->timers, &strand->timer);
        if (here->line == strand)
                leave_line(here, task);
        if (verdict == FAILURE) {               /* first it, then what it brings about */
                plait__group_note_failure(plait__group_of(group), task, result);
                if (!group->keep_going)
                        plait__group_end_scope(group, PLAIT__CANCEL_FAILURE);  /* while the group is surely there */
        }
        leave_group(task, result, verdict == CUT ? state : 0);
}

void plait__task_finish_here(struct plait_task *task, int result)
{
        task->strand.loop = plait__loop_here;
        plait__task_finish(task, result);
}

void plait__task_withdraw(struct plait_task *task)
{
        task->strand.loop = plait__loop_here;
        leave_group(task, 0, 0);
}

__attribute__((constructor)) static void join_core(void)
{
        plait__strand_body = plait__task_body;
}

/* ---- asking */

int plait_task_result(const plait_task *task)
{
        plait__not_forked(__func__);
        plait__point_here();
        if (!task)
                return -ENOMEM;
        if (plait__load_acquire(&task->strand.state) != PLAIT__ENDED)
                return -EINPROGRESS;
        if (plait__unlikely(task->result < 0))
                plait__store(&plait__group_of(task->group)->read, true);
        return task->result;
}

void *plait_task_arg(const plait_task *task)
{
        plait__not_forked(__func__);
        return task ? task->arg : NULL;
}

pid_t plait_task_pid(const plait_task *task)
{
        plait_executor *executor;

        plait__not_forked(__func__);
        if (!task)
                return 0;
        switch (plait__load_acquire(&task->strand.state)) {     /* pairs with its executor's start, and with its end */
        case PLAIT__ENDED:
                return task->extra ? task->extra->pid : 0;
        case PLAIT__AWAY:
                executor = task->group->executor;
                return executor->class->pid ? executor->class->pid(executor, task) : 0;
        default:
                return 0;
        }
}

int plait_task_status(const plait_task *task)
{
        plait__not_forked(__func__);
        return task && plait_task_result(task) != -EINPROGRESS ? task->status : 0;
}

static bool task_done(struct plait__group *group, void *object)
{
        const struct plait_task *task = object;

        (void)group;
        return plait__load(&task->strand.state) == PLAIT__ENDED;
}

/* Whether the group stays open as long as the strand waits. */
static bool keeps_open(const struct plait__strand *strand, const plait_group *group)
{
        return plait__task_of(strand)->group == group || (!group->detached && plait__group_scope(group)->owner == strand);
}

int plait_task_wait(plait_task *task, int *ret)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc;

        if (!strand)
                return -ENOMEM;
        if (task && strand == &task->strand)
                plait__panic(__func__, "the task '%s' waits for itself", plait_task_name(task));
        rc = plait__enter(strand);
        if (rc == 0 && task && plait__load(&task->strand.state) == PLAIT__FREE)
                plait__panic(__func__, "the task is gone: its group has ended");
        if (rc == 0 && task && !keeps_open(strand, task->group))
                return plait__task_wait_outside(strand, task, ret);
        if (rc == 0 && task)
                rc = plait__group_park(strand, task->group, task, task_done, NULL, PLAIT__WATCH_STUCK);
        if (rc == 0 && ret)
                *ret = plait_task_result(task);
        return rc;
}
