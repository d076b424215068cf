/* A future is settled with the guard held, and then changes no more. Who finds it settled also makes sure that the guard has been
 * let go of since: then the one that settled it has done with its memory, but for callbacks. Those who wait are taken off
 * first and woken after the guard is left; a callback is taken off and copied with the guard held, and called without. */
#include "plait/future.h"

#include <errno.h>

#include "base/panic.h"
#include "core/strand.h"
#include "sync/waiters.h"
#include "sync/wakes.h"

enum { OPEN, SET, CANCELLED };

struct future {
        _Atomic uint32_t state;                 /* release when it is settled, acquire by who finds it so */
        plait__spin guard;                      /* of all; once it is settled, of callbacks */
        int result;
        void *value;
        struct plait__link waiters;
        struct plait__link callbacks;
} __attribute__((may_alias));

struct callback {
        struct plait__link link;                /* in the future's list; next is NULL otherwise */
} __attribute__((may_alias));

_Static_assert(sizeof(struct future) <= sizeof(plait_future), "the public type has room for the real one");
_Static_assert(sizeof(struct callback) <= sizeof(((plait_future_callback *)0)->private_), "the public type has room for the real one");

static struct future *inner_of(const plait_future *future)
{
        return (struct future *)(uintptr_t)future->private_;
}

static struct callback *callback_of(plait_future_callback *callback)
{
        return (struct callback *)(void *)callback->private_;
}

static bool is_settled(struct future *future)
{
        if (plait__load_acquire(&future->state) == OPEN)
                return false;
        if (plait__unlikely(plait__load_acquire(&future->guard.held))) {        /* pairs with plait__spin_release() */
                plait__spin_acquire(&future->guard);
                plait__spin_release(&future->guard);
        }
        return true;
}

static void tell(const struct future *future, int *ret_result, void **ret_value)
{
        if (ret_result)
                *ret_result = future->result;
        if (ret_value)
                *ret_value = future->value;
}

/* ---- settling */

/* With the guard held: the next callback, copied; false: there is none. */
static bool next_callback(struct future *future, plait_future_callback *ret, bool *ret_last)
{
        struct plait__link *link = plait__list_first(&future->callbacks);
        plait_future_callback *callback;

        if (!link)
                return false;
        plait__list_remove(link);
        callback = plait__container(link, plait_future_callback, private_);
        *ret = *callback;
        *ret_last = plait__list_empty(&future->callbacks);
        return true;
}

/* With the guard held, which is left: wakes those who wait and calls the callbacks. After the last the future may be gone. */
static __attribute__((noinline)) void tell_all(plait_future *public)
{
        struct future *future = inner_of(public);
        struct plait__wakes wakes = {NULL, NULL};
        struct plait__strand *strand;
        plait_future_callback callback;
        bool any, last = false;

        while ((strand = plait__waiters_pop(&future->waiters)))
                plait__wakes_add(&wakes, strand);
        any = next_callback(future, &callback, &last);
        plait__spin_release(&future->guard);
        plait__wakes_grant(&wakes);
        while (any) {
                callback.fn(public, callback.arg);
                if (last)
                        return;
                plait__spin_acquire(&future->guard);
                any = next_callback(future, &callback, &last);
                plait__spin_release(&future->guard);
        }
}

/* Returns what it was before; if that is OPEN, it is settled now. */
static inline uint32_t settle(plait_future *public, uint32_t state, int result, void *value)
{
        struct future *future = inner_of(public);
        uint32_t before;

        plait__spin_acquire(&future->guard);
        before = plait__load(&future->state);
        if (before != OPEN) {
                plait__spin_release(&future->guard);
                return before;
        }
        future->result = result;
        future->value = value;
        plait__store_release(&future->state, state);    /* pairs with is_settled() */
        if (plait__unlikely(!plait__list_empty(&future->waiters) || !plait__list_empty(&future->callbacks)))
                tell_all(public);
        else
                plait__spin_release(&future->guard);
        return OPEN;
}

int plait_future_set(plait_future *future, int result, void *value)
{
        plait__not_forked(__func__);
        plait__point_here();
        if (!future)
                return -EINVAL;
        return settle(future, SET, result, value) == OPEN ? 0 : -EALREADY;
}

bool plait_future_cancel(plait_future *future)
{
        plait__not_forked(__func__);
        plait__point_here();
        return settle(future, CANCELLED, -ECANCELED, NULL) != SET;
}

/* ---- asking and waiting */

bool plait_future_is_set(const plait_future *future)
{
        plait__not_forked(__func__);
        return is_settled(inner_of(future));
}

int plait_future_result(const plait_future *future, int *ret_result, void **ret_value)
{
        struct future *inner;

        plait__not_forked(__func__);
        if (!future)
                return -EINVAL;
        inner = inner_of(future);
        if (!is_settled(inner))
                return -EINPROGRESS;
        tell(inner, ret_result, ret_value);
        return 0;
}

/* With a failure or a wait to be expected. */
static __attribute__((noinline)) int wait(plait_future *public)
{
        struct plait__strand *strand = plait__strand_here("plait_future_wait");
        struct future *future;
        int rc;

        if (!strand || !public)
                return strand ? -EINVAL : -ENOMEM;
        future = inner_of(public);
        rc = plait__enter(strand);
        if (rc < 0)
                return rc;
        plait__spin_acquire(&future->guard);
        if (plait__load(&future->state) != OPEN) {
                plait__spin_release(&future->guard);
                return 0;
        }
        strand->object = public;
        plait__waiters_add(&future->waiters, strand);
        plait__spin_release(&future->guard);
        rc = plait__wait_granted(strand, PLAIT__ON_FUTURE, PLAIT_FOREVER);
        if (rc == 0)
                return 0;
        plait__spin_acquire(&future->guard);
        if (!plait__waiters_leave(strand))
                rc = 0;
        plait__spin_release(&future->guard);
        if (rc == 0)
                plait__wait_uncancelled(strand, PLAIT__ON_FUTURE);
        return rc;
}

int plait_future_wait(plait_future *future, int *ret_result, void **ret_value)
{
        const struct plait__loop *loop = plait__loop_here;
        int rc;

        if (!loop || !future || !plait__is_free(loop->current) || !is_settled(inner_of(future))) {
                rc = wait(future);
                if (rc < 0)
                        return rc;
        }
        tell(inner_of(future), ret_result, ret_value);
        return 0;
}

/* ---- callbacks */

void plait_future_add_callback(plait_future *future, plait_future_callback *callback)
{
        struct future *inner = inner_of(future);
        struct callback *added = callback_of(callback);
        bool settled;

        plait__not_forked(__func__);
        plait__point_here();
        plait__spin_acquire(&inner->guard);
        if (added->link.next)
                plait__panic(__func__, "the callback is added already");
        settled = plait__load(&inner->state) != OPEN;
        if (!settled)
                plait__list_append(&inner->callbacks, &added->link);
        plait__spin_release(&inner->guard);
        if (settled)
                callback->fn(future, callback->arg);
}

bool plait_future_remove_callback(plait_future *future, plait_future_callback *callback)
{
        struct future *inner = inner_of(future);
        struct callback *added = callback_of(callback);
        bool found;

        plait__not_forked(__func__);
        plait__point_here();
        plait__spin_acquire(&inner->guard);
        found = added->link.next != NULL;
        if (found)
                plait__list_remove(&added->link);
        plait__spin_release(&inner->guard);
        return found;
}
