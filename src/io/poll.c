/* Waiting for several descriptors at once. The kernel's poll() has the last word; the watches only say when to ask it. */
#include <errno.h>
#include <stdbool.h>

#include "base/sys.h"
#include "core/poller.h"
#include "core/strand.h"
#include "plait/fd.h"

enum { FEW = 16 };

static int ask(struct pollfd *fds, size_t count)
{
        struct plait__kernel_timespec at_once = {0, 0}; /* not constant: it may be written to */
        int rc;

        do
                rc = (int)plait__sys.ppoll(fds, count, &at_once);
        while (rc == -EINTR);
        return rc;
}

static int watch_all(struct plait__strand *strand, struct pollfd *fds, struct plait__watch *watches, size_t count)
{
        size_t i;
        int rc;

        for (i = 0; i < count; i++) {
                if (fds[i].fd < 0)
                        continue;
                watches[i].events = (uint32_t)(unsigned short)fds[i].events | POLLERR | POLLHUP;
                watches[i].strand = strand;
                rc = plait__watch_add(strand->loop, fds[i].fd, &watches[i]);
                if (rc < 0 && rc != -EPERM && rc != -EBADF)
                        return rc;
        }
        return 0;
}

static bool any_fired(const struct plait__watch *watches, size_t count)
{
        size_t i;

        for (i = 0; i < count; i++)
                if (watches[i].revents)
                        return true;
        return false;
}

/* Entries that plait_close() has taken away meanwhile, whatever their number stands for now. */
static int mark_closed(struct pollfd *fds, struct plait__watch *watches, size_t count)
{
        size_t i;
        int closed = 0;

        for (i = 0; i < count; i++) {
                plait__watch_remove(&watches[i]);
                if (!(watches[i].revents & POLLNVAL))
                        continue;
                fds[i].revents = POLLNVAL;
                closed++;
        }
        return closed;
}

static int wait_once(struct plait__strand *strand, struct pollfd *fds, struct plait__watch *watches, size_t count)
{
        int rc, closed;

        rc = watch_all(strand, fds, watches, count);
        while (rc == 0 && !any_fired(watches, count)) {
                rc = plait__check(strand);
                if (rc == 0)
                        plait__park(strand, PLAIT__ON_POLL, strand->deadline);
        }
        closed = mark_closed(fds, watches, count);
        return closed ? closed : rc;
}

int plait_poll(struct pollfd *fds, size_t count)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        struct plait__watch few[FEW] = {{{0}, 0, 0, 0}}, *watches = few;
        int rc;

        if (!strand)
                return -ENOMEM;
        rc = plait__enter(strand);
        if (rc < 0)
                return rc;
        if (count > FEW) {
                watches = plait__sys.alloc(count * sizeof *watches);
                if (!watches)
                        return -ENOMEM;
        }
        while ((rc = ask(fds, count)) == 0 && (rc = wait_once(strand, fds, watches, count)) == 0)
                for (size_t i = 0; i < count; i++)
                        watches[i].revents = 0;
        if (watches != few)
                plait__sys.free(watches);
        return rc;
}
