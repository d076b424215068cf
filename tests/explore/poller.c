/* The library's poller, for its insides: a loop sleeps in it once it has one. */
#include "core/poll_epoll.c"

#include "explore.h"

void poller_open(struct plait__loop *loop)
{
        if (poller_need(loop) < 0)
                fail("no poller");
        image_skip(loop->poller->chunks, sizeof loop->poller->chunks); /* empty, and large */
        image_skip(descriptors, sizeof descriptors);
}
