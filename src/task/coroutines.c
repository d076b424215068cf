/* Coroutines: tasks run on the loop of the thread that opened the group.
 *
 * An executor of them that was opened, and so may be closed, counts the tasks that its groups have, and lists the groups. One
 * lock guards the lists of all: a group ends with no regard to its executor, which may be closed and gone by then. The last
 * task's end is counted with the lock held, so that who closes finds it either before or after all of it. */
#include <errno.h>

#include "base/sys.h"
#include "core/strand.h"
#include "task/executor.h"
#include "task/group.h"

static size_t coroutines_width(plait_executor *self)
{
        (void)self;
        return 0;
}

static int coroutines_start(plait_executor *self, struct plait_task *task)
{
        struct plait__loop *home = plait__group_of(task->group)->loop;

        (void)self;
        if (home == plait__loop_here) {
                plait__loop_append(home, &task->strand);
                return 0;
        }
        task->strand.loop = home;               /* a detached group's, started from another thread */
        task->strand.parked = 1;
        plait__unpark(&task->strand);
        return 0;
}

static void coroutines_cancel(plait_executor *self, struct plait_task *task)
{
        (void)self;
        (void)task;                             /* it was woken already (cancel.c) */
}

/* ---- one that is opened */

struct opened {
        struct plait_executor executor;         /* first */
        _Atomic size_t tasks;                   /* started and not ended */
        plait_group *groups;                    /* open, by next_open */
        struct plait__strand *closer;
};

static plait__spin lock;                        /* taken before the tree's (cancel.c) */

void plait__coroutines_group_opens(plait_executor *executor, plait_group *group)
{
        struct opened *opened = (struct opened *)executor;

        plait__spin_acquire(&lock);
        atomic_fetch_or_explicit(&plait__group_scope(group)->group_flags, PLAIT__GROUP_LISTED, memory_order_relaxed);
        plait__group_of(group)->next_open = opened->groups;
        opened->groups = group;
        plait__spin_release(&lock);
}

void plait__coroutines_group_ends(plait_group *group)
{
        plait_group **link;

        plait__spin_acquire(&lock);
        if (plait__load(&plait__group_scope(group)->group_flags) & PLAIT__GROUP_LISTED) {
                link = &((struct opened *)group->executor)->groups;
                while (*link != group)
                        link = &plait__group_of(*link)->next_open;
                *link = plait__group_of(group)->next_open;
        }
        plait__spin_release(&lock);
}

static void task_starts(plait_executor *executor)
{
        atomic_fetch_add_explicit(&((struct opened *)executor)->tasks, 1, memory_order_relaxed);
}

static void task_ends(plait_executor *executor)
{
        struct opened *opened = (struct opened *)executor;
        size_t tasks = plait__load(&opened->tasks);

        while (tasks > 1)                       /* release: what the task has done, for who closes */
                if (atomic_compare_exchange_weak_explicit(&opened->tasks, &tasks, tasks - 1, memory_order_release, memory_order_relaxed))
                        return;
        plait__spin_acquire(&lock);
        if (atomic_fetch_sub_explicit(&opened->tasks, 1, memory_order_release) == 1 && opened->closer)
                plait__unpark(opened->closer);
        plait__spin_release(&lock);
}

/* Cut short: its tasks are told by their groups, wherever those were opened. */
static void cancel_groups(struct opened *opened, int reason)
{
        plait_group *group;

        plait__spin_acquire(&lock);
        for (group = opened->groups; group; group = plait__group_of(group)->next_open)
                plait__group_end_scope(group, reason == -ETIMEDOUT ? PLAIT__CANCEL_TIMEOUT : PLAIT__CANCEL_OUTER);
        plait__spin_release(&lock);
}

/* Groups may still be open when their tasks have ended: they have no executor from here on. One that finds itself not listed is
 * gone without the lock: it is not looked at any more then. */
static void unlist_groups(struct opened *opened)
{
        plait_group *group, *next;

        for (group = opened->groups; group; group = next) {
                next = plait__group_of(group)->next_open;
                atomic_fetch_and_explicit(&plait__group_scope(group)->group_flags, (uint8_t) ~(PLAIT__GROUP_LISTED | PLAIT__GROUP_COUNTED),
                                          memory_order_release);        /* pairs with plait__group_close() */
        }
}

static int coroutines_close(plait_executor *self)
{
        struct opened *opened = (struct opened *)self;
        struct plait__strand *strand = plait__loop_here->current;
        int rc = 0;

        plait__spin_acquire(&lock);
        opened->closer = strand;
        while (plait__load_acquire(&opened->tasks)) {
                plait__spin_release(&lock);
                if (rc == 0 && (rc = plait__check(strand)) < 0)
                        cancel_groups(opened, rc);
                plait__park(strand, PLAIT__ON_CLOSE, rc ? PLAIT_FOREVER : strand->deadline);
                plait__spin_acquire(&lock);
        }
        unlist_groups(opened);
        plait__spin_release(&lock);
        plait__sys.free(opened);
        return rc;
}

static const struct plait__executor_class class = {
        .local = true,
        .coroutines = true,
        .width = coroutines_width,
        .start = coroutines_start,
        .task_starts = task_starts,
        .task_ends = task_ends,
        .cancel = coroutines_cancel,
        .close = coroutines_close,
};

static struct plait_executor coroutines = {.class = &class, .name = "coroutines", .constant = true};

plait_executor *plait_coroutines(void)
{
        plait__not_forked(__func__);
        return &coroutines;
}

/* An executor of this thread's loop has a stack size of its own. */
int plait__coroutines_open(plait_executor **ret, const plait_executor_options *options)
{
        struct opened *opened;

        if (options->initializer)
                return -ENOTSUP;
        opened = plait__sys.alloc(sizeof *opened);
        if (!opened)
                return -ENOMEM;
        opened->executor = (struct plait_executor){.class = &class, .name = options->name, .stack_bytes = options->stack_bytes, .workers = 1};
        *ret = &opened->executor;
        return 0;
}
