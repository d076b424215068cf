/* The queue, the lock and the event. */
#include "explore.h"

#include <errno.h>

#include "core/strand.h"
#include "plait/event.h"
#include "plait/lock.h"
#include "plait/queue.h"
#include "plait/scope.h"
#include "scenarios.h"

enum { ITEMS = 3 };

static uint32_t items[ITEMS]; /* written by who puts, read by who gets: plain */
static uint32_t got[ITEMS];   /* so often, counted by each thread in its own place */

/* ---- the queue, of capacity 1 */

static plait_queue *queue;

static void make_queue(void)
{
        plait__loop_here = loop_of(0);
        CHECK(plait_queue_new(&queue, sizeof(uint32_t *), 1, PLAIT_FIFO) == 0);
}

static int put(unsigned i)
{
        uint32_t *item = &items[i];

        items[i] = i + 1;
        return plait_queue_put(queue, &item);
}

static int get(unsigned *ret)
{
        uint32_t *item;
        int rc = plait_queue_get(queue, &item);

        if (rc < 0)
                return rc;
        *ret = (unsigned)(item - items);
        CHECK(*item == *ret + 1);
        got[*ret]++;
        return 0;
}

static void puts_two(void)
{
        CHECK(put(0) == 0);
        CHECK(put(1) == 0);
}

static void gets_two(void)
{
        unsigned first, second;

        CHECK(get(&first) == 0 && first == 0);
        CHECK(get(&second) == 0 && second == 1);
}

const struct scenario scenario_queue = {.name = "queue", .setup = make_queue, .threads = {puts_two, gets_two}};

static uint32_t got_c;

static void gets_one(void)
{
        unsigned item;

        CHECK(get(&item) == 0);
}

static void gets_one_too(void)
{
        uint32_t *item;

        CHECK(plait_queue_get(queue, &item) == 0);
        CHECK(*item == (uint32_t)(item - items) + 1);
        got_c = 1 + (uint32_t)(item - items);
}

static void each_got_once(void)
{
        CHECK(got_c && got[2 - got_c] == 1 && got[got_c - 1] == 0);
}

const struct scenario scenario_queue_getters = {.name = "queue_getters",
                                                .setup = make_queue,
                                                .threads = {puts_two, gets_one, gets_one_too},
                                                .verdict = each_got_once};

/* A getter is cancelled as an item comes: it has that, or the queue has. */
static plait_scope scope;
static _Atomic uint32_t scope_stands;
static int cut_rc;

static void make_queue_and_scope(void)
{
        make_queue();
        plait__loop_here = loop_of(1);
        plait_scope_enter(&scope, PLAIT_FOREVER);
}

static void puts_one(void)
{
        CHECK(put(0) == 0);
}

static void gets_or_is_cut(void)
{
        unsigned item;

        cut_rc = get(&item);
        while (!plait__load_acquire(&scope_stands))
                plait__park(plait__loop_here->current, PLAIT__ON_EVENT, PLAIT_FOREVER);
        plait_scope_leave(&scope);
}

static void cuts(void)
{
        plait_scope_cancel(&scope);
        plait__store_release(&scope_stands, 1);
        plait__unpark(&loop_of(1)->main->strand);
}

static void one_has_the_item(void)
{
        CHECK(cut_rc == 0 || cut_rc == -ECANCELED);
        CHECK(plait_queue_size(queue) == (cut_rc < 0));
        CHECK(got[0] == (cut_rc == 0));
        CHECK(plait__load(&plait__cancels) == 0);
}

const struct scenario scenario_queue_cancel = {.name = "queue_cancel",
                                               .setup = make_queue_and_scope,
                                               .threads = {puts_one, gets_or_is_cut, cuts},
                                               .verdict = one_has_the_item};

/* Shut down while one waits, or is about to. */
static void finds_it_shut(void)
{
        unsigned item;

        CHECK(get(&item) == -EPIPE);
}

static void shuts(void)
{
        plait__loop_here->current->permit = 0;
        plait_queue_shutdown(queue, false);
}

const struct scenario scenario_queue_shutdown = {
        .name = "queue_shutdown", .setup = make_queue, .threads = {finds_it_shut, shuts}};

static void puts_then_shuts(void)
{
        CHECK(put(0) == 0);
        plait_queue_shutdown(queue, false);
}

static void gets_until_shut(void)
{
        unsigned item;

        CHECK(get(&item) == 0);
        CHECK(get(&item) == -EPIPE);
}

const struct scenario scenario_queue_drain = {
        .name = "queue_drain", .setup = make_queue, .threads = {puts_then_shuts, gets_until_shut}};

/* ---- the lock */

static plait_lock lock;
static uint32_t inside, entries;

static void enter_once(void)
{
        plait_lock_acquire(&lock);
        CHECK(inside++ == 0);
        entries++;
        inside--;
        plait_lock_release(&lock);
}

static void enter_twice(void)
{
        enter_once();
        enter_once();
}

static void all_entered(void)
{
        CHECK(entries == 3);
        CHECK(plait_lock_try(&lock)); /* and it is free */
}

static void last_words(void)
{
        plait__loop_here = loop_of(0);
        all_entered();
        plait__loop_here = NULL;
}

const struct scenario scenario_lock = {
        .name = "lock", .threads = {enter_once, enter_once, enter_once}, .verdict = last_words};
const struct scenario scenario_lock_twice = {
        .name = "lock_twice", .threads = {enter_twice, enter_once}, .verdict = last_words};

/* One of those who wait is cancelled. */
static void make_scope(void)
{
        plait__loop_here = loop_of(1);
        plait_scope_enter(&scope, PLAIT_FOREVER);
}

static void enters_or_is_cut(void)
{
        cut_rc = plait_lock_acquire_or_cancel(&lock);
        if (cut_rc == 0) {
                CHECK(inside++ == 0);
                inside--;
                plait_lock_release(&lock);
        }
        while (!plait__load_acquire(&scope_stands))
                plait__park(plait__loop_here->current, PLAIT__ON_EVENT, PLAIT_FOREVER);
        plait_scope_leave(&scope);
}

static void lock_is_free(void)
{
        CHECK(cut_rc == 0 || cut_rc == -ECANCELED);
        CHECK(entries == 1);
        plait__loop_here = loop_of(0);
        CHECK(plait_lock_try(&lock));
        plait__loop_here = NULL;
}

const struct scenario scenario_lock_cancel = {.name = "lock_cancel",
                                              .setup = make_scope,
                                              .threads = {enter_once, enters_or_is_cut, cuts},
                                              .verdict = lock_is_free};

/* Who was cancelled comes back at once, perhaps to a lock that its holder put back with nobody in the list. */
static void enters_whatever_comes(void)
{
        cut_rc = plait_lock_acquire_or_cancel(&lock);
        if (cut_rc < 0)
                plait_lock_acquire(&lock);
        CHECK(inside++ == 0);
        entries++;
        inside--;
        plait_lock_release(&lock);
}

static void two_entered(void)
{
        CHECK(cut_rc == 0 || cut_rc == -ECANCELED);
        CHECK(entries == 2);
}

const struct scenario scenario_lock_cancel_again = {.name = "lock_cancel_again",
                                                    .setup = make_scope,
                                                    .threads = {enter_once, enters_whatever_comes, cuts},
                                                    .verdict = two_entered};

/* ---- the event */

static plait_event event;

static void sets(void)
{
        items[0] = 1;
        plait_event_set(&event);
}

static void waits(void)
{
        CHECK(plait_event_wait(&event) == 0);
        CHECK(items[0] == 1);
}

static void waits_or_is_cut(void)
{
        cut_rc = plait_event_wait(&event);
        CHECK(cut_rc == 0 || cut_rc == -ECANCELED);
        while (!plait__load_acquire(&scope_stands))
                plait__park(plait__loop_here->current, PLAIT__ON_EVENT, PLAIT_FOREVER);
        plait_scope_leave(&scope);
}

const struct scenario scenario_event_cancel = {
        .name = "event_cancel", .setup = make_scope, .threads = {sets, waits_or_is_cut, cuts}};
const struct scenario scenario_event = {.name = "event", .threads = {sets, waits, waits}};

/* A doorbell: who answers it clears it first and then looks; who rings has written first. Whichever comes first, it is seen. */
static _Atomic uint32_t has_come;

static void is_set(void)
{
        plait__loop_here = loop_of(0);
        plait_event_set(&event);
}

static void clears_looks_and_waits(void)
{
        plait_event_clear(&event);
        if (!plait__load(&has_come))
                CHECK(plait_event_wait(&event) == 0);
}

static void comes_and_rings(void)
{
        plait__store(&has_come, 1);
        plait_event_set(&event);
}

const struct scenario scenario_event_cleared = {
        .name = "event_cleared", .setup = is_set, .threads = {clears_looks_and_waits, comes_and_rings}};
