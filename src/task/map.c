/* Map over an array. Items are not tasks: a few runners are, each of which takes the next items until none is left. A runner
 * that begins starts the next one, so that there is always one more waiting for a place: where runners park (downloads on
 * threads) the pool brings more of them in, up to the limit; where they compute, the waiting one finds nothing left to do.
 *
 * How many items a runner takes at once is found out as it goes: twice as many while a bite takes less than some tens of
 * microseconds, one when it takes longer, so that tiny items cost little and long ones are shared out evenly. */
#include <errno.h>
#include <string.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/panic.h"
#include "core/strand.h"
#include "plait/map.h"
#include "task/executor.h"
#include "task/group.h"

enum { COROUTINES_AT_ONCE = 256 };

#define BITE_SHORT (20 * PLAIT_US)
#define BITE_LONG (100 * PLAIT_US)

struct map {
        const plait_map_options *options;
        plait_fn *fn;
        char *items;
        size_t count, size;
        size_t limit;                           /* of runners */
        size_t bite_max;
        plait_group group;
        _Atomic size_t cursor;                  /* the next item that nobody has */
        _Atomic size_t ended, told;             /* of progress: items, and what the caller was last told */
        _Atomic size_t runners;
        _Atomic bool cut;                       /* a runner ended with items left, or with one that was cut short */
        plait__spin lock;                       /* of failure */
        plait_failure failure;
};

const struct plait_task *_Atomic plait__common_task;
const void *plait__common_here;

static int run_items(void *arg);

plait_fn *const plait__map_runner = run_items;

static void start_runner(struct map *map)
{
        if (atomic_fetch_add_explicit(&map->runners, 1, memory_order_relaxed) >= map->limit)
                return;
        plait__group_start("plait_map", &map->group, NULL, run_items, map, 0);
}

static void note_failure(struct map *map, size_t index, int result, int status)
{
        plait__spin_acquire(&map->lock);
        if (map->failure.result == 0) {
                map->failure.result = result;
                map->failure.status = status;
                map->failure.arg = map->items + index * map->size;
                strncpy(map->failure.name, map->group.name ? map->group.name : "", sizeof map->failure.name - 1);
        }
        plait__spin_release(&map->lock);
}

/* One item; a failure that shall end the map is returned. */
static int run_item(struct map *map, size_t index)
{
        char *item = map->items + index * map->size;
        int status = 0;
        int result = plait__is_simulated() ? plait__simulator.run_item(map->group.executor, map->fn, item, map->size,
                                                                       map->options->retries, &status) :
                                             map->fn(item);
        bool cut = (result == -ECANCELED || result == -ETIMEDOUT) && plait_cancelled() < 0;

        if (plait__unlikely(plait__loop_here->current->scope != NULL))
                plait__panic("plait_map", "an item's function returned while a scope or group that it opened is still open");
        if (map->options->results)
                map->options->results[index] = result;
        if (status && map->options->statuses)
                map->options->statuses[index] = status;
        if (result < 0 && !cut)
                note_failure(map, index, result, status);
        if (map->options->progress) {
                atomic_fetch_add_explicit(&map->ended, 1, memory_order_relaxed);
                plait__group_wake(&map->group);
        }
        return result < 0 && (cut || !map->options->keep_going) ? result : 0;
}

static size_t next_bite(const struct map *map, size_t bite, plait_time took)
{
        if (map->options->chunk)
                return map->options->chunk;
        if (took > BITE_LONG)
                return bite > 1 ? bite / 2 : 1;
        if (took < BITE_SHORT && bite * 2 <= map->bite_max)
                return bite * 2;
        return bite;
}

static int run_items(void *arg)
{
        struct map *map = arg;
        bool fixed = map->bite_max == 1 || map->options->chunk, fresh = map->group.executor->class->fresh;
        size_t bite = map->options->chunk && !fresh ? map->options->chunk : 1, first, index;
        plait_time began = 0, now;
        int rc;

        if (plait__load(&map->cursor) < map->count)
                start_runner(map);
        if (!fixed)
                began = plait__loop_now(plait__loop_here);
        do {
                first = atomic_fetch_add_explicit(&map->cursor, bite, memory_order_relaxed);
                for (index = first; index < first + bite && index < map->count; index++) {
                        rc = plait_cancelled();
                        if (rc == 0)
                                rc = run_item(map, index);
                        if (rc < 0) {
                                plait__store(&map->cut, true);
                                return rc;
                        }
                }
                if (!fixed) {
                        now = plait__loop_now(plait__loop_here);
                        bite = next_bite(map, bite, now - began);
                        began = now;
                }
        } while (index < map->count && !fresh);
        return 0;
}

const void *plait_task_common(void)
{
        struct plait__loop *loop = plait__loop_here;
        const struct plait_task *task = loop ? plait__task_of(loop->current) : NULL;
        const struct map *map;

        plait__not_forked(__func__);
        if (!task)
                return NULL;
        if (task == plait__load(&plait__common_task))
                return plait__common_here;
        if (task->fn != run_items)
                return NULL;
        map = task->arg;
        return map->options->common;
}

/* ---- the calling strand */

static bool has_news(struct plait__group *group, void *object)
{
        struct map *map = plait__container(object, struct map, group);

        return group->live == 0 || plait__load(&map->ended) != plait__load(&map->told);
}

static void tell_progress(struct map *map, struct plait__strand *strand)
{
        size_t ended;

        do {
                plait_ignore(plait__group_park(strand, &map->group, &map->group, has_news, &plait__group_of(&map->group)->scope,
                                               PLAIT__WATCH_STUCK));
                ended = plait__load(&map->ended);
                if (ended != plait__load(&map->told)) {
                        plait__store(&map->told, ended);
                        map->options->progress(map->options->progress_arg, ended, map->count);
                }
        } while (ended < map->count && plait__group_of(&map->group)->live &&
                 plait__scope_state(strand, &plait__group_of(&map->group)->scope) == 0);
}

static size_t limit_of(const plait_map_options *options, const plait_executor *executor)
{
        if (options->limit)
                return options->limit;
        return executor->class->coroutines ? COROUTINES_AT_ONCE : plait__class_of(executor)->width((plait_executor *)(uintptr_t)executor);
}

/* What the items say: a runner that came too late for its group's end, and for any item, cut nothing short. */
static int outcome(const struct map *map)
{
        if (map->failure.result)
                return map->failure.result;
        if (plait__load(&map->cursor) >= map->count && !plait__load(&map->cut))
                return 0;
        return plait__group_result(&map->group);
}

int plait__map_by_runners(const plait_map_options *options, plait_fn *fn, void *items, size_t count, size_t size)
{
        struct plait__strand *strand = plait__loop_here->current;
        plait_executor *executor = options->executor ? options->executor : plait_coroutines();
        struct map map = {.options = options, .fn = fn, .items = items, .count = count, .size = size};
        unsigned workers = plait__workers_of(executor);
        size_t first = executor->class->local || !workers ? 1 : workers, i;
        int rc;

        map.group = (plait_group){.executor = executor, .within = options->within, .kill_after = options->kill_after, .name = "map"};
        map.limit = executor->class->fresh ? count : limit_of(options, executor);
        if (executor->class->fresh)             /* a runner for each item, since each has a thread of its own */
                map.group.limit = options->limit;
        map.bite_max = executor->class->coroutines || executor->class->fresh ? 1 : count / (workers * 8) + 1;
        if (map.limit == 0 || map.limit > count)
                map.limit = count;
        if (first > map.limit)
                first = map.limit;
        plait_group_open(&map.group);
        for (i = 0; i < first; i++)
                start_runner(&map);
        if (options->progress)
                tell_progress(&map, strand);
        plait__group_wait_all(strand, &map.group, true);
        rc = outcome(&map);
        if (options->progress && plait__load(&map.ended) != plait__load(&map.told))
                options->progress(options->progress_arg, plait__load(&map.ended), count);
        plait__group_close(&map.group, strand);
        plait_group_done(&map.group);
        if (options->failure)
                *options->failure = map.failure;
        return rc;
}

/* As if nothing had run. */
static void write_outputs(const plait_map_options *options, size_t count)
{
        size_t i;

        for (i = 0; options->results && i < count; i++)
                options->results[i] = -ECANCELED;
        if (options->statuses && count)
                memset(options->statuses, 0, count * sizeof *options->statuses);
        if (options->failure)
                memset(options->failure, 0, sizeof *options->failure);
}

static int any_map(struct plait__strand *strand, const plait_map_options *options, plait_fn *fn, void *items, size_t count, size_t size)
{
        plait_executor *executor;
        int rc;

        if (!strand)
                return -ENOMEM;
        rc = plait__enter(strand);
        if (rc < 0 || count == 0)
                return rc;
        executor = options->executor ? options->executor : plait_coroutines();
        if (plait__class_of(executor)->map)
                return plait__class_of(executor)->map(options, fn, items, count, size);
        return plait__map_by_runners(options, fn, items, count, size);
}

static int map_with(const char *call, const plait_map_options *options, plait_fn *fn, void *items, size_t count, size_t size)
{
        static const plait_map_options none;
        struct plait__strand *strand = plait__strand_here(call);
        plait_failure *failure;
        int rc;

        if (!options)
                options = &none;
        if (!fn || size == 0 || (!items && count))
                return -EINVAL;
        write_outputs(options, count);
        rc = any_map(strand, options, fn, items, count, size);
        failure = options->failure;
        if (failure && failure->result == 0 && rc < 0 && rc != -ETIMEDOUT && rc != -ECANCELED) {
                failure->result = rc;           /* no item's */
                strcpy(failure->name, "map");
        }
        return rc;
}

int plait_map_with(const plait_map_options *options, plait_fn *fn, void *items, size_t count, size_t size)
{
        return map_with(__func__, options, fn, items, count, size);
}

int plait_map(plait_executor *executor, plait_fn *fn, void *items, size_t count, size_t size)
{
        plait_map_options options = {.executor = executor};

        return map_with(__func__, &options, fn, items, count, size);
}
