/* Coroutines: tasks run on the loop of the thread that opened the group. */
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

static int coroutines_close(plait_executor *self)
{
        plait__sys.free(self);
        return 0;
}

static const struct plait__executor_class class = {
        .local = true,
        .width = coroutines_width,
        .start = coroutines_start,
        .cancel = coroutines_cancel,
        .close = coroutines_close,
};

static struct plait_executor coroutines = {.class = &class, .name = "coroutines", .constant = true};

plait_executor *plait_coroutines(void)
{
        plait__not_forked(__func__);
        return &coroutines;
}

/* Loops on threads of their own are not there yet; an executor of this thread's loop has a stack size of its own. */
int plait__coroutines_open(plait_executor **ret, const plait_executor_options *options)
{
        struct plait_executor *executor;

        if (options->workers > 1 || options->gil || options->initializer)
                return -ENOTSUP;
        executor = plait__sys.alloc(sizeof *executor);
        if (!executor)
                return -ENOMEM;
        *executor = (struct plait_executor){.class = &class, .name = options->name, .stack_bytes = options->stack_bytes, .workers = 1};
        *ret = executor;
        return 0;
}
