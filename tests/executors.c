#include "executors.h"

#include "plait/executor.h"

const struct test_executor test_executors[] = {
        {"coroutines", plait_coroutines},
        {"threads", plait_threads},
        {"own_thread", plait_own_thread},
        {NULL, NULL},
};
const size_t test_executors_count = sizeof test_executors / sizeof test_executors[0] - 1;
