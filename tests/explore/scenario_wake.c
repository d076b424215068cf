/* Park and unpark, the inbox, and falling asleep. The flags are relaxed: that a waker's writes are seen is for the
 * wake-up itself to see to. */
#include "explore.h"

#include "core/strand.h"
#include "plait/group.h"
#include "scenarios.h"

static _Atomic uint32_t flags[THREADS];
static uint32_t plain[THREADS];

static struct plait__strand *main_of(unsigned thread)
{
        return &loop_of(thread)->main->strand;
}

static void wait_for(unsigned flag, uint32_t value)
{
        while (plait__load(&flags[flag]) < value)
                plait__park(plait__loop_here->current, PLAIT__ON_EVENT, PLAIT_FOREVER);
}

static void tell(unsigned flag, uint32_t value, struct plait__strand *strand)
{
        plait__store(&flags[flag], value);
        plait__unpark(strand);
}

/* ---- one parks, one unparks, three times */

static void parks_thrice(void)
{
        for (uint32_t i = 1; i <= 3; i++)
                wait_for(1, i);
}

static void unparks_thrice(void)
{
        for (uint32_t i = 1; i <= 3; i++)
                tell(1, i, main_of(0));
}

const struct scenario scenario_unpark = {.name = "unpark", .threads = {parks_thrice, unparks_thrice}};
const struct scenario scenario_unpark_in_poller = {
        .name = "unpark_in_poller", .threads = {parks_thrice, unparks_thrice}, .pollers = true};

/* ---- two that wake each other in turn */

static void serves(void)
{
        for (uint32_t i = 1; i <= 2; i++) {
                tell(1, i, main_of(1));
                wait_for(0, i);
        }
}

static void returns(void)
{
        for (uint32_t i = 1; i <= 2; i++) {
                wait_for(1, i);
                tell(0, i, main_of(0));
        }
}

const struct scenario scenario_ping_pong = {.name = "ping_pong", .threads = {serves, returns}};

/* ---- two unparkers */

static void parks_for_two(void)
{
        wait_for(1, 1);
        wait_for(2, 1);
}

static void unparks_b(void)
{
        tell(1, 1, main_of(0));
}

static void unparks_c(void)
{
        tell(2, 1, main_of(0));
}

const struct scenario scenario_two_unparkers = {.name = "two_unparkers",
                                                .threads = {parks_for_two, unparks_b, unparks_c}};
const struct scenario scenario_two_unparkers_in_poller = {
        .name = "two_unparkers_in_poller", .threads = {parks_for_two, unparks_b, unparks_c}, .pollers = true};

/* ---- a deadline that comes as it is woken */

static void parks_with_deadline(void)
{
        plait_time until = plait__loop_now(loop_of(0)) + PLAIT_S;

        while (!plait__load(&flags[1]) && plait__loop_now(loop_of(0)) < until)
                plait__park(main_of(0), PLAIT__ON_EVENT, until);
        wait_for(1, 2); /* whatever came of it, the next wake-up counts */
}

static void unparks_twice(void)
{
        tell(1, 1, main_of(0));
        tell(1, 2, main_of(0));
}

const struct scenario scenario_deadline = {.name = "deadline", .threads = {parks_with_deadline, unparks_twice}};

/* ---- a hand-over: what was written before it is there after it */

static void is_granted(void)
{
        while (!plait__granted(main_of(0)))
                plait__park(main_of(0), PLAIT__ON_LOCK, PLAIT_FOREVER);
        CHECK(plain[1] == 7);
}

static void grants(void)
{
        plain[1] = 7;
        plait__grant(main_of(0));
}

const struct scenario scenario_grant = {.name = "grant", .threads = {is_granted, grants}};

/* ---- a coroutine is woken by two threads at once and ends: its record is another's at once */

static plait__spin guard; /* as a group's lock guards its tasks against a cancel */
static struct plait__strand *coroutine;
static bool is_there;

static int ends(void *arg)
{
        (void)arg;
        plait__wait_granted(coroutine, PLAIT__ON_LOCK, PLAIT_FOREVER);
        plait__spin_acquire(&guard);
        is_there = false;
        plait__spin_release(&guard);
        return 0;
}

static int comes_after(void *arg)
{
        (void)arg;
        CHECK(!plait__load(&plait__loop_here->current->remote));
        return 0;
}

static int does_nothing(void *arg)
{
        (void)arg;
        return 0;
}

static plait_group group;

static void begin_coroutine(void)
{
        struct plait_task *task;

        plait__loop_here = loop_of(0);
        plait_group_open(&group); /* once before, so that the loop has a stack */
        plait_group_start(&group, does_nothing, NULL, 0);
        CHECK(plait_group_wait(&group) == 0);
        image_add(loop_of(0)->stacks[0].hot, sizeof(struct plait__stack));
        plait_group_open(&group);
        task = plait_group_start(&group, ends, NULL, 0);
        coroutine = &task->strand;
        is_there = true;
}

static void owns_coroutines(void)
{
        struct plait__strand *strand;

        CHECK(plait_group_wait(&group) == 0);
        plait_group_open(&group);
        strand = (struct plait__strand *)plait_group_start(&group, comes_after, NULL, 0);
        CHECK(strand == coroutine); /* type-stable, and used again */
        CHECK(plait_group_wait(&group) == 0);
        wait_for(2, 2);
}

static void grants_coroutine(void)
{
        plait__grant(coroutine);
}

static void cancels_coroutine(void)
{
        tell(2, 1, main_of(0));
        plait__spin_acquire(&guard);
        if (is_there)
                plait__unpark(coroutine);
        plait__spin_release(&guard);
        tell(2, 2, main_of(0));
}

const struct scenario scenario_record = {
        .name = "record", .setup = begin_coroutine, .threads = {owns_coroutines, grants_coroutine, cancels_coroutine}};
