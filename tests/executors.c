#include "executors.h"

#include "plait/executor.h"
#include "test.h"

/* Kept as long as the process lives. */
static plait_executor *two_loops(void)
{
        static plait_executor *executor;
        plait_executor_options options = {.kind = PLAIT_COROUTINES, .workers = 2, .name = "loops"};

        if (!executor)
                CHECK(plait_executor_open(&executor, &options) == 0);
        return executor;
}

const struct test_executor test_executors[] = {
        {"coroutines", plait_coroutines, false},
        {"loops", two_loops, false},
        {"threads", plait_threads, false},
        {"own_thread", plait_own_thread, false},
        {"processes", plait_processes, true},
        {"own_process", plait_own_process, true},
        {NULL, NULL, false},
};
const size_t test_executors_count = sizeof test_executors / sizeof test_executors[0] - 1;
