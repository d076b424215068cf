/* Descriptors of one loop: epoll, edge-triggered, each descriptor registered once for reading and writing. Who uses a
 * descriptor tries first and waits only when the kernel said EAGAIN, so an edge that finds nobody waiting is no loss.
 *
 * Descriptors are known by number and generation: plait_close() and whoever makes a descriptor raise the generation, so an
 * event of an older file of that number is not taken for the present one's. Of a descriptor that was not made by a call of
 * ours the loop cannot know whether its number has been reused behind its back: those are registered anew for each wait. */
#ifndef PLAIT__POLLER_H
#define PLAIT__POLLER_H

#include "core/loop.h"
#include "core/record.h"

enum { PLAIT__STICKY = 1 << 30 };               /* in watch.events */

/* Lasting interest of a strand of ours (HTTP's): events are added up in watch.revents, and the interest is put on a list for
 * that strand to see. */
struct plait__interest {
        struct plait__watch watch;
        struct plait__interest *next_fired, **fired;    /* *fired is the list's head */
        bool is_fired;
};

/* Parks until the descriptor may be ready for `events` (POLLIN or POLLOUT). Returns 0: try again; -EPERM: it is always ready
 * (a regular file); -EBADF, also when plait_close() came meanwhile; -ETIMEDOUT, -ECANCELED, -ENOMEM, -ENOSPC. */
int plait__fd_wait(struct plait__strand *strand, int fd, uint32_t events, enum plait__reason reason);

/* Adds a watch to a descriptor; 0 or as above. If the descriptor is ready now, it is told so at the loop's next look. */
PLAIT_API int plait__watch_add(struct plait__loop *loop, int fd, struct plait__watch *watch);

/* Takes it away; nothing if it is in no list. */
PLAIT_API void plait__watch_remove(struct plait__watch *watch);

/* The number is a new file from here on; `ours`: plait made it, a stream socket, and will hear of its end. */
PLAIT_API void plait__fd_is_new(int fd, bool ours);

/* The file is about to be closed: its waiters, on whatever loop, get -EBADF. */
PLAIT_API void plait__fd_forget(int fd);

/* Whether a short read told that nothing more was there, and nothing has come since. */
bool plait__fd_drained(struct plait__loop *loop, int fd);
void plait__fd_set_drained(struct plait__loop *loop, int fd);

/* Whether plait made it. */
bool plait__fd_ours(int fd);

/* Sleeps until an event, the eventfd, or the moment (0: does not sleep); wakes who waits. */
void plait__poller_wait(struct plait__loop *loop, plait_time until);

/* Wakes the loop from plait__poller_wait(); any thread. */
void plait__poller_ring(struct plait__loop *loop);

void plait__poller_end(struct plait__loop *loop);

#endif
