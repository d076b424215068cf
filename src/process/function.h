/* A function's identity across processes: the module that holds it, by build-id, and the offset in it. */
#ifndef PLAIT__FUNCTION_H
#define PLAIT__FUNCTION_H

#include "plait/executor.h"
#include "process/shared.h"

/* What `fn` is called elsewhere: 0 or -ENOEXEC. With the region locked. */
int plait__function_find(struct plait__region_head *head, plait_fn *fn, struct plait__function *ret);

/* In a worker: where it is here, its library loaded if need be; NULL: it cannot be found. */
plait_fn *plait__function_here(struct plait__region_head *head, const struct plait__function *function);

#endif
