#include "plait/event.h"

#include <errno.h>

#include "core/strand.h"
#include "sync/select.h"
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

static __attribute__((noinline)) void set(struct event *inner)
{
        struct plait__strand *strand;
        struct plait__link waiters;

        plait__spin_acquire(&inner->guard);
        plait__store_release(&inner->set, 1);   /* what was written before is there for who finds it set */
        plait__waiters_take(&inner->waiters, &waiters);
        while ((strand = plait__waiters_pop(&waiters))) {
                plait__spin_release(&inner->guard);
                plait__grant(strand);
                plait__spin_acquire(&inner->guard);
        }
        plait__waiters_put_back(&inner->waiters, &waiters);
        plait__spin_release(&inner->guard);
}

void plait_event_set(plait_event *event)
{
        struct event *inner = inner_of(event);

        plait__not_forked(__func__);
        plait__point_here();
        if (!plait__load_acquire(&inner->set))
                set(inner);
}

void plait_event_clear(plait_event *event)
{
        plait__not_forked(__func__);
        plait__point_here();
        plait__store(&inner_of(event)->set, 0);
}

bool plait_event_is_set(const plait_event *event)
{
        plait__not_forked(__func__);
        plait__point_here();
        return plait__load_acquire(&inner_of(event)->set);      /* pairs with plait_event_set() */
}

/* With a failure or a wait to be expected; apart, so that plait_event_wait() needs no registers of its caller's. */
static __attribute__((noinline)) int wait(struct event *event)
{
        struct plait__strand *strand = plait__strand_here("plait_event_wait");
        int rc;

        if (!strand)
                return -ENOMEM;
        rc = plait__enter(strand);
        if (rc < 0)
                return rc;
        plait__spin_acquire(&event->guard);
        if (plait__load_acquire(&event->set)) {
                plait__spin_release(&event->guard);
                return 0;
        }
        strand->object = event;
        plait__waiters_add(&event->waiters, strand);
        plait__spin_release(&event->guard);
        rc = plait__wait_granted(strand, PLAIT__ON_EVENT, PLAIT_FOREVER);
        if (rc == 0)
                return 0;
        plait__spin_acquire(&event->guard);
        if (!plait__waiters_leave(strand))
                rc = 0;
        plait__spin_release(&event->guard);
        if (rc == 0)
                plait__wait_uncancelled(strand, PLAIT__ON_EVENT);
        return rc;
}

int plait_event_wait(plait_event *event)
{
        const struct plait__loop *loop = plait__loop_here;
        struct event *inner = inner_of(event);

        if (plait__likely(loop && plait__is_free(loop->current) && plait__load_acquire(&inner->set)))
                return 0;
        return wait(inner);
}

/* ---- the case of a select */

static enum plait__look look(void *object, void *item, struct plait__registration *joins, int *ret)
{
        struct event *inner = inner_of(object);
        bool set;

        (void)item;
        *ret = 0;
        if (!joins)
                return plait__load_acquire(&inner->set) ? PLAIT__LOOK_TAKEN : PLAIT__LOOK_WAITS;
        plait__spin_acquire(&inner->guard);
        set = plait__load_acquire(&inner->set);
        if (!set)
                plait__registration_add(&inner->waiters, joins);
        plait__spin_release(&inner->guard);
        if (!set)
                return PLAIT__LOOK_WAITS;
        return plait__registration_claim(joins) ? PLAIT__LOOK_TAKEN : PLAIT__LOOK_LOST;
}

static void leave(struct plait__registration *registration)
{
        struct event *inner = inner_of(registration->object);

        plait__spin_acquire(&inner->guard);
        plait__registration_remove(registration);
        plait__spin_release(&inner->guard);
}

const struct plait__selectable plait__event_is_set = {look, leave, NULL};
