/* The kernel of the simulated threads: futexes, the pollers' eventfds, and the clock, which stands still but for
 * sleepers whose moment comes. */
#define _GNU_SOURCE
#include "explore.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/cpus.h"
#include "base/sys.h"

enum { POLLERS = 8, EPOLL = 100000, BELL_FD = 200000 };

plait_time clock_moment OWN = 1000 * PLAIT_S;

static OWN unsigned pollers;
static OWN bool rung[POLLERS];
static OWN uint64_t bell_data[POLLERS];
static OWN long (*real_futex)(const void *word, int operation, uint32_t value,
                              const struct plait__kernel_timespec *timeout, uint32_t mask);

plait_time plait__clock_now(void)
{
        return clock_moment;
}

/* One: a lock then does not spin before it sleeps, which would only be more of the same steps. */
unsigned plait__cpus(void)
{
        return 1;
}

static long kernel_futex(const void *word, int operation, uint32_t value, const struct plait__kernel_timespec *timeout,
                         uint32_t mask)
{
        uint32_t now;

        if (running < 0)
                return real_futex(word, operation, value, timeout, mask);
        step();
        if ((operation & FUTEX_CMD_MASK) == FUTEX_WAKE) {
                trace("futex wake", word, value, __builtin_return_address(0));
                wake_sleepers(word, value);
                return 0;
        }
        memcpy(&now, word, sizeof now);
        trace("futex wait", word, now, __builtin_return_address(0));
        if (now != value)
                return -EAGAIN;
        return sleep_on(word, timeout ? timeout->seconds * PLAIT_S + timeout->nanoseconds : PLAIT_FOREVER) ? 0
                                                                                                           : -ETIMEDOUT;
}

static long kernel_epoll_create1(int flags)
{
        (void)flags;
        return EPOLL + (int)pollers;
}

static long kernel_eventfd2(unsigned value, int flags)
{
        (void)value;
        (void)flags;
        return BELL_FD + (int)pollers++;
}

static long kernel_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
        (void)operation;
        (void)fd;
        bell_data[epoll - EPOLL] = event->data.u64;
        return 0;
}

/* Edge-triggered. */
static long kernel_epoll_pwait2(int epoll, struct epoll_event *events, int count,
                                const struct plait__kernel_timespec *timeout)
{
        unsigned poller = (unsigned)(epoll - EPOLL);
        plait_time span = timeout ? timeout->seconds * PLAIT_S + timeout->nanoseconds : PLAIT_FOREVER;

        (void)count;
        step();
        trace("poller wait", &rung[poller], rung[poller], __builtin_return_address(0));
        if (!rung[poller] &&
            (span == 0 || !sleep_on(&rung[poller], span == PLAIT_FOREVER ? span : clock_moment + span)))
                return 0;
        rung[poller] = false;
        events[0] = (struct epoll_event){.events = EPOLLIN, .data.u64 = bell_data[poller]};
        return 1;
}

static long kernel_write(int fd, const void *buffer, size_t size)
{
        unsigned poller = (unsigned)(fd - BELL_FD);

        if (fd < BELL_FD)
                fail("%.*s", (int)size - 1, (const char *)buffer); /* the library's last words, a line */
        step();
        trace("poller ring", &rung[poller], 1, __builtin_return_address(0));
        rung[poller] = true;
        wake_sleepers(&rung[poller], 1);
        return (long)size;
}

static long kernel_close(int fd)
{
        (void)fd;
        return 0;
}

static void kernel_free(void *memory)
{
        (void)memory; /* the run's end frees all; nothing is used again before */
}

void kernel_prepare(void)
{
        real_futex = plait__sys.futex;
        plait__sys.futex = kernel_futex;
        plait__sys.epoll_create1 = kernel_epoll_create1;
        plait__sys.eventfd2 = kernel_eventfd2;
        plait__sys.epoll_ctl = kernel_epoll_ctl;
        plait__sys.epoll_pwait2 = kernel_epoll_pwait2;
        plait__sys.write = kernel_write;
        plait__sys.close = kernel_close;
        plait__sys.alloc = image_alloc;
        plait__sys.free = kernel_free;
}

void kernel_reset(void)
{
        memset(rung, 0, sizeof rung);
        clock_moment = 1000 * PLAIT_S;
}
