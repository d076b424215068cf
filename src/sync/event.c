#include "plait/event.h"

#include <errno.h>

#include "core/strand.h"
#include "sync/waiters.h"

struct event {
        _Atomic uint32_t set;
        plait__spin guard;                      /* of waiters, and of set beside them */
        struct plait__link waiters;
} __attribute__((may_alias));

_Static_assert(sizeof(struct event) <= sizeof(plait_event), "the public type has room for the real one");

static struct event *inner_of(const plait_event *event)
{
        return (struct event *)(uintptr_t)event->private_;
}

void plait_event_set(plait_event *event)
{
        struct event *inner = inner_of(event);
        struct plait__strand *strand;
        struct plait__link waiters;

        plait__not_forked(__func__);
        plait__point_here();
        if (plait__load_acquire(&inner->set))
                return;
        plait__spin_acquire(&inner->guard);
        plait__store_release(&inner->set, 1);   /* what was written before is there for who finds it set */
        plait__waiters_take(&inner->waiters, &waiters);
        while ((strand = plait__waiters_pop(&waiters))) {
                plait__spin_release(&inner->guard);
                plait__grant(strand);
                plait__spin_acquire(&inner->guard);
        }
        plait__spin_release(&inner->guard);
}

void plait_event_clear(plait_event *event)
{
        plait__point_here();
        plait__store(&inner_of(event)->set, 0);
}

static bool is_set(const struct event *event)
{
        return plait__load_acquire(&event->set);        /* pairs with plait_event_set() */
}

bool plait_event_is_set(const plait_event *event)
{
        plait__point_here();
        return is_set(inner_of(event));
}

int plait_event_wait(plait_event *event)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        struct event *inner = inner_of(event);
        int rc;

        if (!strand)
                return -ENOMEM;
        rc = plait__enter(strand);
        if (rc < 0 || is_set(inner))
                return rc;
        plait__spin_acquire(&inner->guard);
        if (plait__load_acquire(&inner->set)) {
                plait__spin_release(&inner->guard);
                return 0;
        }
        plait__waiters_add(&inner->waiters, strand);
        plait__spin_release(&inner->guard);
        rc = plait__wait_granted(strand, PLAIT__ON_EVENT, PLAIT_FOREVER);
        if (rc == 0)
                return 0;
        plait__spin_acquire(&inner->guard);
        if (!plait__waiters_leave(strand))
                rc = 0;
        plait__spin_release(&inner->guard);
        if (rc == 0)
                plait__wait_uncancelled(strand, PLAIT__ON_EVENT);
        return rc;
}
