/* Groups of coroutines of thread A that other threads reach. */
#include "explore.h"

#include <errno.h>

#include "core/strand.h"
#include "plait/event.h"
#include "plait/group.h"
#include "plait/task.h"
#include "scenarios.h"

static plait_group group;
static plait_group detached = {.detached = true};
static plait_event event;
static plait_task *task;
static uint32_t written_before, result;

static int does_nothing(void *arg)
{
        (void)arg;
        return 0;
}

/* So that the loop has a stack, and its record is known. */
static void warm(void)
{
        plait__loop_here = loop_of(0);
        plait_group_open(&group);
        plait_group_start(&group, does_nothing, NULL, 0);
        CHECK(plait_group_wait(&group) == 0);
        image_add(loop_of(0)->stacks[0].hot, sizeof(struct plait__stack));
}

/* ---- a task that waits is cancelled from another thread, as a third ends its wait */

static int waits(void *arg)
{
        (void)arg;
        return plait_event_wait(&event);
}

static void begin_waiting(void)
{
        warm();
        plait_group_open(&group);
        task = plait_group_start(&group, waits, NULL, 0);
}

static void waits_for_group(void)
{
        CHECK(plait_group_wait(&group) == 0);
}

static void sets(void)
{
        plait_event_set(&event);
}

static void cancels_group(void)
{
        plait_group_cancel(&group);
}

const struct scenario scenario_group = {.name = "group", .setup = begin_waiting, .threads = {waits_for_group, sets}};
const struct scenario scenario_group_cancel = {
        .name = "group_cancel", .setup = begin_waiting, .threads = {waits_for_group, cancels_group}};

/* ---- a task is started from another thread */

static void open_detached(void)
{
        warm();
        plait_group_open(&detached);
}

static int adds(void *arg)
{
        (void)arg;
        CHECK(written_before == 7);
        result = 8;
        return 0;
}

static void waits_for_detached(void)
{
        CHECK(plait_event_wait(&event) == 0);
        CHECK(plait_group_wait(&detached) == 0);
        CHECK(result == 8);
}

static void starts(void)
{
        written_before = 7;
        CHECK(plait_group_start(&detached, adds, NULL, 0));
        plait_event_set(&event);
}

const struct scenario scenario_group_detached = {
        .name = "group_detached", .setup = open_detached, .threads = {waits_for_detached, starts}};
