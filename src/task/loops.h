#ifndef PLAIT__LOOPS_H
#define PLAIT__LOOPS_H

#include "task/executor.h"

/* An executor of coroutines on `workers` loops. */
int plait__loops_open(plait_executor **ret, const plait_executor_options *options);

#endif
