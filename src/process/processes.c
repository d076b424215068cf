/* The executors whose tasks run in processes: the shared pool, own processes, and pools that are opened. */
#include "process/processes.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/cpus.h"
#include "base/sys.h"
#include "core/loop.h"
#include "process/pool.h"
#include "process/start.h"
#include "process/worker.h"

enum { OWN_SLOTS = 1024 };                      /* own processes at once; more wait */

static struct plait__pool shared = {
        .executor = {.class = &plait__processes_class, .name = "processes", .constant = true},
        .jobs = PLAIT__NO_JOB,
};

static struct plait__pool own = {
        .executor = {.class = &plait__own_process_class, .name = "own process", .constant = true},
        .jobs = PLAIT__NO_JOB,
        .slots = OWN_SLOTS,
        .tasks_max = 1,
};

static unsigned default_workers(void)
{
        unsigned cpus = plait__in_worker ? 1 : plait__cpus();  /* not N times N */

        return cpus < PLAIT__SLOTS_MAX ? cpus : PLAIT__SLOTS_MAX;
}

static void count_workers(void)
{
        shared.executor.workers = shared.slots = default_workers();
}

plait_executor *plait_processes(void)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        plait__not_forked(__func__);
        pthread_once(&once, count_workers);
        return &shared.executor;
}

plait_executor *plait_own_process(void)
{
        plait__not_forked(__func__);
        return &own.executor;
}

static int open_pool(plait_executor **ret, const plait_executor_options *options)
{
        struct plait__pool *pool;
        const char *path;
        int rc;

        if (options->start_method != PLAIT_FORKSERVER)
                return -ENOTSUP;
        if (options->initializer && options->initializer_arg && !options->initializer_arg_size)
                return -EFAULT;
        rc = plait__start_path(&path);
        if (rc < 0)
                return rc;
        pool = plait__sys.alloc(sizeof *pool);
        if (!pool)
                return -ENOMEM;
        pool->executor = (struct plait_executor){.class = &plait__processes_class, .name = options->name};
        pool->jobs = PLAIT__NO_JOB;
        pool->slots = options->workers ? options->workers : default_workers();
        if (pool->slots > PLAIT__SLOTS_MAX)
                pool->slots = PLAIT__SLOTS_MAX;
        pool->executor.workers = pool->slots;
        pool->tasks_max = options->max_tasks_per_worker;
        pool->initializer = options->initializer;
        if (options->initializer && options->initializer_arg_size) {
                pool->initializer_arg = plait__sys.alloc(options->initializer_arg_size);
                if (!pool->initializer_arg) {
                        plait__sys.free(pool);
                        return -ENOMEM;
                }
                memcpy(pool->initializer_arg, options->initializer_arg, options->initializer_arg_size);
                pool->initializer_arg_size = options->initializer_arg_size;
        }
        *ret = &pool->executor;
        return 0;
}

void plait__processes_join(void)
{
        plait__processes_open = open_pool;
}
