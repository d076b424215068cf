/* The executors on which TEST_ON_EXECUTORS and TEST_ON_ALL_EXECUTORS run their body: the one table. An executor that comes to
 * exist gets its row in executors.c and is from then on in every such test. */
#ifndef PLAIT_TEST_EXECUTORS_H
#define PLAIT_TEST_EXECUTORS_H

#include <stdbool.h>
#include <stddef.h>

struct plait_executor;

struct test_executor {
        const char *name;
        struct plait_executor *(*get)(void);
        bool apart;                     /* tasks run in another process: only the bytes of their struct travel */
};

extern const struct test_executor test_executors[];
extern const size_t test_executors_count;

#endif
