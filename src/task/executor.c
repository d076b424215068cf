#include "task/executor.h"

#include <errno.h>

#include "base/panic.h"
#include "core/stack.h"
#include "core/strand.h"
#include "task/group.h"
#include "task/loops.h"

int (*plait__processes_open)(plait_executor **ret, const plait_executor_options *options);
struct plait__simulator plait__simulator;

int plait_executor_open(plait_executor **ret, const plait_executor_options *options)
{
        plait_executor_options simulated;

        plait__not_forked(__func__);
        if (options->stack_bytes > (size_t)1 << 30)
                return -EINVAL;
        if (plait__is_simulated() && !options->workers) {
                simulated = *options;
                simulated.workers = plait__simulator.workers();
                options = &simulated;
        }
        switch (options->kind) {
        case PLAIT_COROUTINES:
                if (options->gil)
                        return -ENOTSUP;
                return options->workers == 1 ? plait__coroutines_open(ret, options) : plait__loops_open(ret, options);
        case PLAIT_THREADS:
                return plait__threads_open(ret, options);
        case PLAIT_PROCESSES:
                return plait__processes_open ? plait__processes_open(ret, options) : -ENOTSUP;
        }
        return -EINVAL;
}

/* A task of the executor, or one further in, would wait for itself. */
static void check_closer(const plait_executor *executor, const struct plait__strand *strand)
{
        const plait_group *group;

        for (; strand && (group = plait__task_of(strand)->group); strand = plait__group_scope(group)->owner)
                if (group->executor == executor)
                        plait__panic("plait_executor_close", "called by a task that runs in the executor");
}

int plait_executor_close(plait_executor *executor)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc, closed;

        if (!strand)
                return -ENOMEM;
        rc = plait__enter(strand);
        if (!executor)
                return rc;
        if (executor->constant)
                return -ENOTSUP;
        check_closer(executor, strand);
        closed = plait__class_of(executor)->close(executor);
        return closed < 0 ? closed : rc;        /* closed in any case */
}
