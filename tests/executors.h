/* The executors on which TEST_ON_EXECUTORS runs its body: the one table. An executor that comes to exist gets its row
 * in executors.c and is from then on in every such test. */
#ifndef PLAIT_TEST_EXECUTORS_H
#define PLAIT_TEST_EXECUTORS_H

#include <stddef.h>

struct plait_executor;

struct test_executor {
        const char *name;
        struct plait_executor *(*get)(void);
};

extern const struct test_executor test_executors[];
extern const size_t test_executors_count;

#endif
