/* Semaphore, condition, future, once, barrier and rwlock. */
#include "explore.h"

#include <errno.h>
#include <string.h>

#include "core/strand.h"
#include "plait/barrier.h"
#include "plait/condition.h"
#include "plait/future.h"
#include "plait/lock.h"
#include "plait/once.h"
#include "plait/rwlock.h"
#include "plait/scope.h"
#include "plait/semaphore.h"
#include "scenarios.h"

static uint32_t inside, entries, written_before; /* plain */

/* ---- a strand of thread B that is cancelled by C */

static plait_scope scope;
static _Atomic uint32_t has_cut;
static int cut_rc;

static void make_scope(void)
{
        plait__loop_here = loop_of(1);
        plait_scope_enter(&scope, PLAIT_FOREVER);
}

static void cuts(void)
{
        plait_scope_cancel(&scope);
        plait__store_release(&has_cut, 1);
        plait__unpark(&loop_of(1)->main->strand);
}

static void leave_scope(void)
{
        while (!plait__load_acquire(&has_cut))
                plait__park(plait__loop_here->current, PLAIT__ON_EVENT, PLAIT_FOREVER);
        plait_scope_leave(&scope);
}

/* ---- the semaphore */

static plait_semaphore semaphore = {.value = 1, .bound = 1};

static void has_a_place(void)
{
        CHECK(plait_semaphore_acquire(&semaphore) == 0);
        CHECK(inside++ == 0);
        entries++;
        inside--;
        plait_semaphore_release(&semaphore, 1);
}

static void has_a_place_or_is_cut(void)
{
        cut_rc = plait_semaphore_acquire(&semaphore);
        if (cut_rc == 0)
                plait_semaphore_release(&semaphore, 1);
        leave_scope();
}

static void place_is_free(void)
{
        plait__loop_here = loop_of(0);
        CHECK(plait_semaphore_try(&semaphore));
        CHECK(!plait_semaphore_try(&semaphore));
        plait__loop_here = NULL;
}

const struct scenario scenario_semaphore = {
        .name = "semaphore", .threads = {has_a_place, has_a_place, has_a_place}, .verdict = place_is_free};
const struct scenario scenario_semaphore_cancel = {.name = "semaphore_cancel",
                                                   .setup = make_scope,
                                                   .threads = {has_a_place, has_a_place_or_is_cut, cuts},
                                                   .verdict = place_is_free};

/* ---- the condition */

static plait_condition condition;
static plait_lock lock;
static uint32_t ready, taken; /* under the lock */

static void takes(void)
{
        plait_lock_acquire(&lock);
        while (!ready)
                CHECK(plait_condition_wait(&condition, &lock) == 0);
        ready--;
        taken++;
        plait_lock_release(&lock);
}

static void makes_one(void)
{
        plait_lock_acquire(&lock);
        ready++;
        plait_condition_notify(&condition, 1);
        plait_lock_release(&lock);
}

static void makes_two(void)
{
        plait_lock_acquire(&lock);
        ready += 2;
        plait_lock_release(&lock);
        plait_condition_notify_all(&condition); /* without the lock */
}

static void takes_or_is_cut(void)
{
        plait_lock_acquire(&lock);
        while (!ready && (cut_rc = plait_condition_wait(&condition, &lock)) == 0)
                ;
        CHECK(inside++ == 0);
        inside--;
        plait_lock_release(&lock);
        leave_scope();
}

static void lock_is_free(void)
{
        plait__loop_here = loop_of(0);
        CHECK(plait_lock_try(&lock));
        plait__loop_here = NULL;
}

const struct scenario scenario_condition = {
        .name = "condition", .threads = {takes, makes_one}, .verdict = lock_is_free};
const struct scenario scenario_condition_all = {
        .name = "condition_all", .threads = {takes, takes, makes_two}, .verdict = lock_is_free};
const struct scenario scenario_condition_cancel = {.name = "condition_cancel",
                                                   .setup = make_scope,
                                                   .threads = {makes_one, takes_or_is_cut, cuts},
                                                   .verdict = lock_is_free};

/* ---- the future: its memory goes with the wait */

static plait_future future;

static void settles(void)
{
        written_before = 7;
        CHECK(plait_future_set(&future, 1, NULL) == 0);
}

static void waits_and_forgets(void)
{
        int result = 0;

        CHECK(plait_future_wait(&future, &result, NULL) == 0 && result == 1);
        CHECK(written_before == 7);
        memset(&future, 0xff, sizeof future);
}

static void settles_for_scope(void)
{
        CHECK(plait_future_set(&future, 1, NULL) == 0);
}

static void waits_or_is_cut(void)
{
        int result = 0;

        cut_rc = plait_future_wait(&future, &result, NULL);
        CHECK(cut_rc == -ECANCELED || (cut_rc == 0 && result == 1));
        leave_scope();
}

const struct scenario scenario_future_cancel = {
        .name = "future_cancel", .setup = make_scope, .threads = {settles_for_scope, waits_or_is_cut, cuts}};
const struct scenario scenario_future = {.name = "future", .threads = {settles, waits_and_forgets}};

/* ---- once */

static plait_once once;

static int first_fails(void *arg)
{
        (void)arg;
        CHECK(inside++ == 0);
        inside--;
        if (entries++ == 0)
                return -EIO;
        written_before = 7;
        return 0;
}

static void runs_once(void)
{
        int rc = plait_once_run(&once, first_fails, NULL);

        CHECK(rc == 0 || rc == -EIO);
        if (rc == 0)
                CHECK(written_before == 7);
}

static int succeeds(void *arg)
{
        (void)arg;
        CHECK(inside++ == 0);
        inside--;
        entries++;
        return 0;
}

static void runs_it(void)
{
        CHECK(plait_once_run(&once, succeeds, NULL) == 0);
        CHECK(entries == 1);
}

static void runs_or_is_cut(void)
{
        cut_rc = plait_once_run(&once, succeeds, NULL);
        CHECK(cut_rc == 0 || cut_rc == -ECANCELED);
        leave_scope();
}

const struct scenario scenario_once_cancel = {
        .name = "once_cancel", .setup = make_scope, .threads = {runs_it, runs_or_is_cut, cuts}};

static void ran_twice(void)
{
        CHECK(entries == 2);
}

const struct scenario scenario_once = {
        .name = "once", .threads = {runs_once, runs_once, runs_once}, .verdict = ran_twice};

/* ---- the barrier */

static plait_barrier barrier = {.parties = 2};
static plait_barrier barrier_of_three = {.parties = 3};
static uint32_t came[THREADS];

static void meets_twice(void)
{
        unsigned me = plait__loop_here == loop_of(1);

        for (uint32_t round = 1; round <= 2; round++) {
                came[me] = round;
                CHECK(plait_barrier_wait(&barrier) >= 0);
                CHECK(came[!me] == round);
                CHECK(plait_barrier_wait(&barrier) >= 0);
        }
}

static void meets(void)
{
        unsigned me = plait__loop_here == loop_of(0) ? 0 : plait__loop_here == loop_of(1) ? 1 : 2;

        came[me] = 1;
        CHECK(plait_barrier_wait(&barrier_of_three) >= 0);
        CHECK(came[0] && came[1] && came[2]);
}

static void meets_or_breaks(void)
{
        int rc = plait_barrier_wait(&barrier);

        CHECK(rc >= 0 || rc == -EPIPE);
        came[0] = rc >= 0;
}

static void meets_or_is_cut(void)
{
        int rc = plait_barrier_wait(&barrier);

        CHECK(rc >= 0 || rc == -ECANCELED);
        came[1] = rc >= 0;
        leave_scope();
}

static void both_met_or_none(void)
{
        CHECK(came[0] == came[1]);
}

const struct scenario scenario_barrier_cancel = {.name = "barrier_cancel",
                                                 .setup = make_scope,
                                                 .threads = {meets_or_breaks, meets_or_is_cut, cuts},
                                                 .verdict = both_met_or_none};
const struct scenario scenario_barrier = {.name = "barrier", .threads = {meets_twice, meets_twice}};
const struct scenario scenario_barrier_of_three = {.name = "barrier_of_three", .threads = {meets, meets, meets}};

/* ---- the rwlock */

static plait_rwlock rwlock;

static void reads(void)
{
        plait_rwlock_acquire_read(&rwlock);
        CHECK(inside == 0);
        plait_rwlock_release(&rwlock);
}

static void writes(void)
{
        plait_rwlock_acquire_write(&rwlock);
        CHECK(inside++ == 0);
        inside--;
        plait_rwlock_release(&rwlock);
}

static void rwlock_is_free(void)
{
        plait__loop_here = loop_of(0);
        CHECK(plait_rwlock_try_write(&rwlock));
        plait__loop_here = NULL;
}

static void writes_or_is_cut(void)
{
        cut_rc = plait_rwlock_acquire_write_or_cancel(&rwlock);
        CHECK(cut_rc == 0 || cut_rc == -ECANCELED);
        if (cut_rc == 0)
                plait_rwlock_release(&rwlock);
        leave_scope();
}

const struct scenario scenario_rwlock_cancel = {.name = "rwlock_cancel",
                                                .setup = make_scope,
                                                .threads = {reads, writes_or_is_cut, cuts},
                                                .verdict = rwlock_is_free};
const struct scenario scenario_rwlock_cancel_writer = {.name = "rwlock_cancel_writer",
                                                       .setup = make_scope,
                                                       .threads = {writes, writes_or_is_cut, cuts},
                                                       .verdict = rwlock_is_free};
const struct scenario scenario_rwlock = {.name = "rwlock", .threads = {reads, writes}, .verdict = rwlock_is_free};
const struct scenario scenario_rwlock_readers = {
        .name = "rwlock_readers", .threads = {writes, reads, reads}, .verdict = rwlock_is_free};
const struct scenario scenario_rwlock_writers = {
        .name = "rwlock_writers", .threads = {reads, writes, writes}, .verdict = rwlock_is_free};
