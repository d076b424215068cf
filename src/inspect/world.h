/* The world stands still: every loop whose thread comes by stops between two strands, until it is let go. Then what belongs to
 * those threads alone may be read, the stacks of their strands too. */
#ifndef PLAIT__WORLD_H
#define PLAIT__WORLD_H

#include "core/loop.h"

enum { PLAIT__FRAMES = 32 };

/* What a loop that stops leaves to be read; it lies on the stack of whoever is there. */
struct plait__visit {
        void *frames[PLAIT__FRAMES];            /* of the strand that is current; none: it is put away like the others */
        int count;
};

/* Stops the loops of all other threads, or as many as come within `patience`; one thread at a time can do so, the others
 * wait. True: all came. */
bool plait__world_stop(plait_time patience);
void plait__world_go_on(void);

/* Between the two: the loop stands still, or is the calling thread's own. */
bool plait__world_has(const struct plait__loop *loop);

/* The return addresses of the calling thread, this function's caller first. */
int plait__frames_here(void *frames[PLAIT__FRAMES]);

#endif
