#include "task/executor.h"

#include <errno.h>

#include "core/stack.h"
#include "core/strand.h"

int (*plait__processes_open)(plait_executor **ret, const plait_executor_options *options);
struct plait__simulator plait__simulator;

int plait_executor_open(plait_executor **ret, const plait_executor_options *options)
{
        plait_executor_options simulated;

        if (options->stack_bytes > (size_t)1 << 30)
                return -EINVAL;
        if (plait__is_simulated() && !options->workers && options->kind != PLAIT_COROUTINES) {
                simulated = *options;
                simulated.workers = plait__simulator.workers();
                options = &simulated;
        }
        switch (options->kind) {
        case PLAIT_COROUTINES:
                return plait__coroutines_open(ret, options);
        case PLAIT_THREADS:
                return plait__threads_open(ret, options);
        case PLAIT_PROCESSES:
                return plait__processes_open ? plait__processes_open(ret, options) : -ENOTSUP;
        }
        return -EINVAL;
}

int plait_executor_close(plait_executor *executor)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc;

        if (!strand)
                return -ENOMEM;
        rc = plait__check(strand);
        if (!executor)
                return rc;
        return executor->constant ? -ENOTSUP : plait__class_of(executor)->close(executor);
}
