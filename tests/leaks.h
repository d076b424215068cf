/* What a process holds: taken before and after, the difference is a leak. */
#ifndef PLAIT_TEST_LEAKS_H
#define PLAIT_TEST_LEAKS_H

#include <stdbool.h>
#include <stddef.h>

struct holdings {
        unsigned char open[8192 / 8];           /* a bit for each descriptor */
        unsigned descriptors, threads, descendants;
        long blocks;                            /* of plait__sys.alloc, not freed */
};

void holdings_take(struct holdings *ret);

/* Whether this process holds more than it did; `ret_what` then says what. Waits a little before it says so, because a
 * thread that has done its last work still has to end. */
bool holdings_grew(const struct holdings *before, char *ret_what, size_t size);

#endif
