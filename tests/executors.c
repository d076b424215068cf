#include "executors.h"

#include "plait/executor.h"

const struct test_executor test_executors[] = {
        {"coroutines", plait_coroutines, false},
        {"threads", plait_threads, false},
        {"own_thread", plait_own_thread, false},
        {"processes", plait_processes, true},
        {"own_process", plait_own_process, true},
        {NULL, NULL, false},
};
const size_t test_executors_count = sizeof test_executors / sizeof test_executors[0] - 1;
