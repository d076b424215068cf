#include "clock.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>

#include "base/clock.h"
#include "core/strand.h"
#include "task/group.h"

enum { SLEEPERS = 4096 };

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;       /* of all below */
static plait_time now;
static struct plait__loop *sleepers[SLEEPERS];
static size_t sleepers_count;

static void (*real_poll)(struct plait__loop *loop, plait_time until);

static plait_time clock_now(struct plait__loop *loop)
{
        plait_time moment;

        (void)loop;
        pthread_mutex_lock(&guard);
        moment = now;
        pthread_mutex_unlock(&guard);
        return moment;
}

/* Enters those who sleep, unless it is `until` by now. */
static bool fall_asleep(struct plait__loop *loop, plait_time until)
{
        bool asleep;

        pthread_mutex_lock(&guard);
        asleep = now < until && sleepers_count < SLEEPERS;
        if (asleep)
                sleepers[sleepers_count++] = loop;
        pthread_mutex_unlock(&guard);
        return asleep;
}

static void wake_up(struct plait__loop *loop)
{
        pthread_mutex_lock(&guard);
        for (size_t i = 0; i < sleepers_count; i++)
                if (sleepers[i] == loop)
                        sleepers[i--] = sleepers[--sleepers_count];
        pthread_mutex_unlock(&guard);
}

static void manual_poll(struct plait__loop *loop, plait_time until)
{
        if (until <= loop->now) {
                real_poll(loop, until);
        } else if (fall_asleep(loop, until)) {
                real_poll(loop, PLAIT_FOREVER);
                wake_up(loop);
        }
}

static void automatic_poll(struct plait__loop *loop, plait_time until)
{
        if (until == PLAIT_FOREVER || until <= loop->now) {
                real_poll(loop, until);
                return;
        }
        real_poll(loop, 0);                     /* descriptors that are ready come first */
        if (loop->ready || plait__load(&loop->inbox))
                return;
        pthread_mutex_lock(&guard);
        now = until;
        pthread_mutex_unlock(&guard);
}

static void put(void (*poll)(struct plait__loop *loop, plait_time until))
{
        if (!real_poll) {
                real_poll = plait__seams.poll;
                now = plait__clock_now();
        }
        plait__seams.now = clock_now;
        plait__seams.poll = poll;
        plait__loop_get("test_clock")->seams = plait__seams;
}

void test_clock_manual(void)
{
        put(manual_poll);
}

void test_clock_automatic(void)
{
        put(automatic_poll);
}

void test_clock_advance(plait_time span)
{
        pthread_mutex_lock(&guard);
        now = plait__clock_after(now, span);
        for (size_t i = 0; i < sleepers_count; i++)
                plait__unpark(&sleepers[i]->main->strand);      /* a sleeping loop is surely there */
        pthread_mutex_unlock(&guard);
}

/* ---- until parked: reads what belongs to other threads, as a tool outside the process does */

#define UNSEEN __attribute__((no_sanitize("thread"), noinline))

/* A loop of another thread that has put the sentinel into its inbox has no strand that is ready. */
UNSEEN static bool is_still(const struct plait_task *task)
{
        const struct plait__strand *strand = &task->strand;
        const volatile uint8_t *parked = &strand->parked, *flags = &strand->flags;
        struct plait__loop *loop = *(struct plait__loop *const volatile *)&strand->loop;

        switch (plait__load_acquire(&strand->state)) {
        case PLAIT__ENDED:
                return true;
        case PLAIT__NEW:
                return *flags & PLAIT__WITHHELD;
        case PLAIT__RUNNING:
                if (loop != plait__loop_here && plait__load_acquire(&loop->inbox) != (struct plait__strand *)1)
                        return false;
                return *parked && !plait__load(&strand->remote);
        default:
                return false;
        }
}

UNSEEN static bool all_still(plait_group *group)
{
        struct plait__group *inner = plait__group_of(group);
        const struct plait__link *link;
        bool still = true;

        plait__group_lock(inner);
        for (link = inner->tasks ? &inner->tasks->siblings : NULL; link && still; link = link->next)
                still = is_still(plait__container(link, struct plait_task, siblings));
        plait__group_unlock(inner);
        return still;
}

/* One turn for everybody else. */
static void let_run(void)
{
        struct plait__strand *strand = plait__strand_here(__func__);

        plait__loop_look(strand->loop);
        plait__yield(strand);
        sched_yield();
}

void test_until_parked(plait_group *group)
{
        do
                let_run();
        while (!all_still(group));
}

void test_until_task_parked(plait_task *task)
{
        do
                let_run();
        while (!is_still(task));
}
