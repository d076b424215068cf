/* One strand runs, the others wait in a list. A run that counts wakes them all; one that fails hands the turn to the first of
 * them, which the list's order decides and no newcomer. What a waiter is told is in its `slot`: NULL, it is done; else, its
 * turn. */
#include "plait/once.h"

#include <errno.h>

#include "base/panic.h"
#include "core/strand.h"
#include "sync/waiters.h"
#include "sync/wakes.h"

struct once {
        _Atomic uint32_t done;                  /* release by the run that counts, acquire by who finds it so */
        plait__spin guard;                      /* of all but done, which is set with it held */
        struct plait__strand *runner;
        struct plait__link waiters;
} __attribute__((may_alias));

_Static_assert(sizeof(struct once) <= sizeof(plait_once), "the public type has room for the real one");

/* With the guard held, which is left: waits until it is done or this strand's turn. Returns what cut the wait short, or 0. */
static int wait(struct once *once, struct plait__strand *strand)
{
        int rc;

        strand->object = once;
        plait__waiters_add(&once->waiters, strand);
        plait__spin_release(&once->guard);
        rc = plait__wait_granted(strand, PLAIT__ON_ONCE, PLAIT_FOREVER);
        if (rc < 0) {
                plait__spin_acquire(&once->guard);
                if (!plait__waiters_leave(strand))
                        rc = 0;
                plait__spin_release(&once->guard);
                if (rc == 0)
                        plait__wait_uncancelled(strand, PLAIT__ON_ONCE);        /* its turn is on its way */
        }
        return rc;
}

/* Its run has ended. */
static void run_ends(struct once *once, bool done)
{
        struct plait__wakes wakes = {NULL, NULL};
        struct plait__strand *strand;

        plait__spin_acquire(&once->guard);
        once->runner = NULL;
        if (done)
                plait__store_release(&once->done, 1);
        while ((strand = plait__waiters_pop(&once->waiters))) {
                strand->slot = done ? NULL : once;
                plait__wakes_add(&wakes, strand);
                if (!done) {
                        once->runner = strand;
                        break;
                }
        }
        plait__spin_release(&once->guard);
        plait__wakes_grant(&wakes);
}

static int run(struct once *once, plait_fn *fn, void *arg)
{
        int rc = fn(arg);

        run_ends(once, rc >= 0);
        return rc < 0 ? rc : 0;
}

static __attribute__((noinline)) int run_slow(struct once *once, plait_fn *fn, void *arg)
{
        struct plait__strand *strand = plait__strand_here("plait_once_run");
        int rc;

        if (!strand)
                return -ENOMEM;
        if (!fn)
                return -EINVAL;
        rc = plait__enter(strand);
        if (rc < 0)
                return rc;
        plait__spin_acquire(&once->guard);
        if (plait__load(&once->done)) {
                plait__spin_release(&once->guard);
                return 0;
        }
        if (once->runner == strand)
                plait__panic("plait_once_run", "called from inside what it runs");
        if (once->runner) {
                rc = wait(once, strand);
                return rc < 0 || !strand->slot ? rc : run(once, fn, arg);
        }
        once->runner = strand;
        plait__spin_release(&once->guard);
        return run(once, fn, arg);
}

int plait_once_run(plait_once *once, plait_fn *fn, void *arg)
{
        struct once *inner;

        if (plait__unlikely(!once))
                return -EINVAL;
        inner = (struct once *)(void *)once->private_;
        return plait__likely(plait__load_acquire(&inner->done)) ? 0 : run_slow(inner, fn, arg);
}
