/* A fresh thread for each task; it ends with the task. */
#include <errno.h>

#include "base/sys.h"
#include "core/strand.h"
#include "task/executor.h"
#include "task/group.h"

static void *thread_main(void *arg)
{
        struct plait_task *task = arg;

        plait__loop_adopt(task->strand.loop);
        plait__task_on_line(task->strand.loop, task);
        return NULL;
}

static size_t own_width(plait_executor *self)
{
        (void)self;
        return 0;
}

static int own_start(plait_executor *self, struct plait_task *task)
{
        struct plait__loop *loop = plait__loop_new(plait__loop_here);
        int rc;

        (void)self;
        if (!loop)
                return -ENOMEM;
        task->strand.loop = loop;
        rc = plait__sys.thread_start(thread_main, task, task->extra ? task->extra->stack_bytes : 0);
        if (rc < 0)
                plait__loop_free(plait__loop_here, loop);
        return rc;
}

static void own_cancel(plait_executor *self, struct plait_task *task)
{
        (void)self;
        (void)task;                             /* it was woken already (cancel.c) */
}

static const struct plait__executor_class class = {
        .fresh = true,
        .width = own_width,
        .start = own_start,
        .cancel = own_cancel,
};

static struct plait_executor own = {.class = &class, .name = "own thread", .constant = true};

plait_executor *plait_own_thread(void)
{
        plait__not_forked(__func__);
        return &own;
}
