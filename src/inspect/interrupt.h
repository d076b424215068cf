/* Only under PLAIT_DEBUG: what a thread that does not come to the loop is doing, told by a signal's handler on that thread. */
#ifndef PLAIT__INTERRUPT_H
#define PLAIT__INTERRUPT_H

#include "inspect/seen.h"

struct plait__sample {
        struct plait__who who;                  /* whose turn it is; id 0: that could not be told */
        int count;
        void *frames[PLAIT__FRAMES];            /* the first is where it was interrupted */
};

/* Once, before the first thread of ours. Does nothing if the program handles SIGURG. */
void plait__interrupt_prepare(void);

/* False: it was not prepared, or the thread did not answer within a moment. */
bool plait__interrupt(struct plait__loop *loop, struct plait__sample *ret);

/* To be called once before backtrace() is called in a handler, or with the world stopped: the first call loads a library. */
void plait__frames_prepare(void);

#endif
