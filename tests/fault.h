/* Failing the nth call of the library's table of system calls (base/sys.h), and counting what it allocates. The
 * wrappers are made from the table's own list and stand in it from the start of each test program. They count across
 * all threads of this process; worker processes have tables of their own. */
#ifndef PLAIT_TEST_FAULT_H
#define PLAIT_TEST_FAULT_H

#include <stdbool.h>

#include "base/sys.h"

/* FAULT_mmap, FAULT_read and so on: an entry of the table. */
enum fault_kind {
        FAULT_ANY,
        FAULT_alloc,
        FAULT_thread_start,
#define FAULT_KIND(name, parameters, arguments) FAULT_##name,
        PLAIT__SYS(FAULT_KIND)
#undef FAULT_KIND
        FAULT_KINDS
};

/* The nth call (from 1) of this kind from now on fails with `error`; 0: with an error that is usual for that call. A
 * close that fails has closed, as on Linux. */
void fault_fail_nth(enum fault_kind kind, unsigned long n, int error);

/* The nth and all that follow. */
void fault_fail_from(enum fault_kind kind, unsigned long n, int error);

/* Nothing fails any more. Returns how many calls failed. */
unsigned long fault_off(void);

/* Calls of this kind since it was armed, failed ones included. */
unsigned long fault_count(void);

/* Repeats the statement below with the first call failed, then the second, … until a round in which none was. The
 * failure of any CHECK in it, or a crash, tells the round. Leave the statement by no other way than its end or
 * `continue`.
 *
 *      FAULT_EACH(FAULT_alloc, 0) {
 *              rc = plait_queue_new(&queue, 4, 1, PLAIT_FIFO);
 *              CHECK(rc == 0 || rc == -ENOMEM);
 *              ...
 *      }
 */
#define FAULT_EACH(kind, error) for (struct fault_rounds rounds_ = {kind, error, false, 0}; fault_next(&rounds_);)

/* Likewise, with that call and all that follow failed. Not for calls that are retried for ever. */
#define FAULT_EACH_FROM(kind, error) for (struct fault_rounds rounds_ = {kind, error, true, 0}; fault_next(&rounds_);)

struct fault_rounds {
        enum fault_kind kind;
        int error;
        bool from;
        unsigned long n;
};

bool fault_next(struct fault_rounds *rounds);

/* The harness: puts the wrappers in place, once, before there are threads. */
void fault_install(void);
long fault_live_blocks(void);

#endif
