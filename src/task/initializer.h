/* What an executor runs once in each of its threads before their first task. */
#ifndef PLAIT__INITIALIZER_H
#define PLAIT__INITIALIZER_H

#include <stddef.h>

#include "plait/executor.h"

struct plait__initializer {
        plait_fn *fn;                           /* NULL: none */
        void *arg;                              /* a copy of ours if it has a size */
        size_t size;
};

/* As the options say, its bytes copied. 0 or -ENOMEM. */
int plait__initializer_init(struct plait__initializer *initializer, const plait_executor_options *options);
void plait__initializer_done(struct plait__initializer *initializer);

/* Runs it on a copy of its own. 0, what it failed with, or -ENOMEM. */
int plait__initializer_run(const struct plait__initializer *initializer);

#endif
