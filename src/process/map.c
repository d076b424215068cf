/* A map in worker processes: one job, its items copied into the region once and back once. Chunks are claimed by words like
 * tasks; an item is run at most once, unless its worker died in it and `retries` allow more.
 *
 * Chunks. Given: as given. Else they get smaller towards the end: at most 1/32 of a worker's share, then 1/8 of what would be left
 * for each, down to single items, so that workers end together whatever the items take.
 *
 * Ends. Each worker counts the chunks that it has ended in a tally of its own; the map has ended when the tallies, and the parent's
 * count of chunks that shall never run, make up all of them. When a worker dies its tally is counted anew, from the words: an
 * increment can be lost, a word cannot. The items of a chunk that it had not begun go back; the cursor then gets a new epoch, so
 * that who read it before does not move it past them.
 *
 * What the map returns is decided by its items: 0 if all were run and none is less than 0, whatever the clock says by then;
 * else the first failure, or what cut short the first that was.
 *
 * An item in which a worker died gets its bytes again from the caller's array, so that one copy back at the end leaves it as
 * it was. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/sys.h"
#include "core/strand.h"
#include "plait/map.h"
#include "process/chunks.h"
#include "process/function.h"
#include "process/monitor.h"
#include "process/pool.h"
#include "process/port.h"
#include "task/group.h"

enum { NOT_RUN = INT32_MIN, ADDRESS_SPINS = 2000 };

/* What the parent knows of a map: on the stack of the strand that waits for it. */
struct plait__running_map {
        struct plait__pool *pool;
        const plait_map_options *options;
        struct plait__strand *strand;
        char *items;                            /* the caller's */
        struct plait__job *job;
        struct plait__map *shared;
        unsigned index, place;                  /* of the job; on the board */
        _Atomic uint64_t *words;
        int32_t *results;
        struct plait__tally *tallies;
        unsigned *retried;                      /* times each item was run again, or NULL */
        uint64_t chunks_ended;                  /* by us: never to run. Guarded by the region's lock, as are: */
        uint64_t items_ended;                   /* by deaths */
        size_t failed;                          /* the item of `failure`, which is that of a dead worker */
        int failed_status, broken, broken_status;       /* broken: no worker can be had */
        pid_t failed_pid;
        int cut;                                /* -ETIMEDOUT or -ECANCELED: that has ended around the strand */
        bool stopped;
        int below;                              /* in the end: the result of the first item that is less than 0; 0: none is */
        uint64_t told;                          /* of progress */
        plait_scope scope;                      /* of `within` */
};

static struct plait__running_map *running(unsigned job)
{
        return plait__region.posted[job].map;
}

/* ---- setting up */

static void choose_chunks(struct plait__map *map, const struct plait__pool *pool, size_t chunk)
{
        uint64_t chunks;

        if (pool->executor.class->fresh)
                chunk = 1;
        if (!chunk && map->count < 64 * (uint64_t)map->workers)
                chunk = 1;
        while (chunk && map->count / chunk >= UINT32_MAX / 2)
                chunk *= 2;
        map->chunk = chunk;
        chunks = chunk ? (map->count - 1) / chunk + 1 : plait__chunks_guided(map->count, map->workers, NULL);
        map->chunks = (uint32_t)chunks;
}

/* Where everything lies in the map's block; its size, or 0: more than there is. */
static uint64_t lay_out(struct plait__map *map, unsigned slots, uint64_t common_size)
{
        uint64_t at = 0, items;

        if (__builtin_mul_overflow(map->count, map->size, &items) || items > plait__region.head->card.size)
                return 0;
#define PLACE(field, bytes) (map->field = at, at = (at + (bytes) + 63) & ~UINT64_C(63))
        PLACE(tallies, slots * sizeof(struct plait__tally));
        PLACE(words, map->chunks * sizeof(uint64_t));
        PLACE(starts, map->chunk ? 0 : map->chunks * sizeof(uint64_t));
        PLACE(results, map->count * sizeof(int32_t));
        PLACE(common, common_size);
        PLACE(items, items);
#undef PLACE
        return at;
}

static void move_to(struct plait__map *map, uint64_t block, bool common)
{
        map->tallies += block;
        map->words += block;
        map->starts += block;
        map->results += block;
        map->common = common ? map->common + block : 0;
        map->items += block;
}

/* The contents of the block. */
static void fill(struct plait__running_map *map, const plait_map_options *options)
{
        struct plait__map *shared = map->shared;
        void *base = plait__region.head;
        uint32_t i;
        uint64_t item;

        map->words = plait__at(base, shared->words);
        map->results = plait__at(base, shared->results);
        map->tallies = plait__at(base, shared->tallies);
        memset(map->tallies, 0, map->pool->slots * sizeof *map->tallies);
        for (i = 0; i < shared->chunks; i++)
                plait__store(&map->words[i], plait__claim_open(map->job->gen, 0));
        if (!shared->chunk)
                plait__chunks_guided(shared->count, shared->workers, plait__at(base, shared->starts));
        for (item = 0; item < shared->count; item++)
                map->results[item] = NOT_RUN;
        if (shared->common)
                memcpy(plait__at(base, shared->common), options->common, options->common_size);
        memcpy(plait__at(base, shared->items), map->items, shared->count * shared->size);
}

/* The job, its memory, and a place on the board. */
static int allocate(struct plait__running_map *map, plait_fn *fn, size_t count, size_t size)
{
        const plait_map_options *options = map->options;
        struct plait__pool *pool = map->pool;
        struct plait__function function;
        struct plait__map *shared;
        uint64_t bytes, block;
        int rc, job;

        plait__region_lock();
        rc = plait__function_find(plait__region.head, fn, &function);
        job = rc == 0 ? plait__job_take(pool) : -1;
        if (job < 0) {
                plait__region_unlock();
                return rc < 0 ? rc : -ENOMEM;
        }
        map->index = (unsigned)job;
        map->job = plait__job(map->index);
        map->shared = shared = &map->job->map;
        memset(shared, 0, sizeof *shared);
        map->job->function = function;
        map->job->is_map = 1;
        shared->count = count;
        shared->size = size;
        shared->workers = options->limit && options->limit < pool->slots ? (unsigned)options->limit : pool->slots;
        shared->keep_going = options->keep_going;
        shared->wants_progress = options->progress != NULL;
        shared->can_be_killed = options->kill_after > 0;
        choose_chunks(shared, pool, options->chunk);
        bytes = lay_out(shared, pool->slots, options->common ? options->common_size : 0);
        block = bytes ? plait__arena_take(bytes) : 0;
        if (!block) {
                plait__job_give(map->index);
                plait__region_unlock();
                return -ENOMEM;
        }
        plait__region.posted[job].block = block;
        move_to(shared, block, options->common);
        plait__region_unlock();
        return 0;
}

static bool find_place(struct plait__running_map *map)
{
        uint64_t maps = plait__load(&map->pool->board->maps);

        if (maps == UINT64_MAX)
                return false;
        map->place = (unsigned)__builtin_ctzll(~maps);
        return true;
}

static plait_time kill_moment(const struct plait__running_map *map, plait_time from)
{
        plait_time kill_after = map->options->kill_after;

        return kill_after > 0 && from != PLAIT_FOREVER ? plait__clock_after(from, kill_after) : PLAIT_FOREVER;
}

/* With the region locked: workers may take part from here on. */
static void publish(struct plait__running_map *map)
{
        struct plait__posted *posted = &plait__region.posted[map->index];
        struct plait__board *board = map->pool->board;

        posted->map = map;
        posted->kill_at = kill_moment(map, map->job->deadline);
        posted->kill_reason = -ETIMEDOUT;
        plait__port_count(map->job->port, 1);
        plait__pool_list(map->pool, map->index);
        board->map_jobs[map->place] = (uint16_t)map->index;
        atomic_fetch_or_explicit(&board->maps, (uint64_t)1 << map->place, memory_order_seq_cst);
        plait__monitor_posted();
        if (plait__pool_wake(map->pool, plait__map_wants(map->index)) || posted->kill_at != PLAIT_FOREVER)
                plait__monitor_kick();
}

/* ---- what others do with a running map; with the region locked */

unsigned plait__map_wants(unsigned job)
{
        const struct plait__map *map = &plait__job(job)->map;
        struct plait__running_map *mine = running(job);
        uint64_t open, done = mine->chunks_ended;
        unsigned i;

        if (plait__load(&map->stop))
                return 0;
        open = map->chunks - (uint32_t)plait__load(&map->cursor);
        if (mine->pool->executor.class->fresh) {        /* counted are those that run, too */
                for (i = 0; i < mine->pool->slots; i++)
                        done += plait__load(&mine->tallies[i].chunks);
                open = map->chunks - done;
        }
        return open < map->workers ? (unsigned)open : map->workers;
}

void plait__map_told(unsigned job)
{
        plait__unpark(running(job)->strand);
}

void plait__map_fail(unsigned job, int result, int status)
{
        struct plait__running_map *map = running(job);

        map->broken = result;
        map->broken_status = status;
        plait__unpark(map->strand);
}

void plait__map_kill(unsigned job, int reason)
{
        struct plait__running_map *map = running(job);
        uint64_t word;
        uint32_t i;

        (void)reason;
        plait__store(&map->shared->stop, 1);
        for (i = 0; i < map->shared->chunks; i++) {
                do {
                        word = plait__load_acquire(&map->words[i]);
                        if ((word & PLAIT__DONE) || !plait__claim_owner(word))
                                break;
                } while (!plait__claim_swap(&map->words[i], word, word | PLAIT__CONDEMNED));
                if (!(word & PLAIT__DONE) && plait__claim_owner(word))
                        plait__worker_kill(map->pool, plait__claim_owner(word) - 1);
        }
}

/* The item in which a worker died: true, it is to run again. */
static bool item_died(struct plait__running_map *map, uint64_t item, int result, int status, pid_t pid)
{
        struct plait__map *shared = map->shared;
        uint64_t none = 0;

        memcpy((char *)plait__at(plait__region.head, shared->items) + item * shared->size, map->items + item * shared->size, shared->size);
        if (result == -EOWNERDEAD && map->retried && map->retried[item] < map->options->retries && !plait__load(&shared->stop)) {
                map->retried[item]++;
                return true;
        }
        map->results[item] = result;
        map->items_ended++;
        if (map->options->statuses)
                map->options->statuses[item] = status;
        if (result != -EOWNERDEAD) {            /* plait killed it: it was cut short */
                plait__store(&shared->cut, result);
                return false;
        }
        if (atomic_compare_exchange_strong_explicit(&shared->failed, &none, item + 1, memory_order_relaxed, memory_order_relaxed)) {
                shared->failed_pid = (uint32_t)pid;
                map->failed_status = status;
        }
        if (!shared->keep_going)
                plait__store(&shared->stop, 1);
        return false;
}

/* One chunk that the dead worker had; true: it is open again. */
static bool chunk_back(struct plait__running_map *map, uint32_t chunk, uint64_t word, int status, pid_t pid, uint64_t *ret_ended)
{
        uint32_t progress = plait__claim_progress(word);
        uint64_t start = plait__chunk_start(plait__region.head, map->shared, chunk);
        int reason = word & PLAIT__CONDEMNED ? plait__region.posted[map->index].kill_reason : -EOWNERDEAD;

        if ((word & PLAIT__IN_FN) && !item_died(map, start + progress, reason, status, pid))
                progress++;
        word = plait__claim_open(map->job->gen, progress);
        if (start + progress == plait__chunk_end(plait__region.head, map->shared, chunk) || plait__load(&map->shared->stop)) {
                plait__store_release(&map->words[chunk], plait__claim_owned(word, PLAIT__OWNER_PARENT) | PLAIT__DONE);
                ++*ret_ended;
                return false;
        }
        plait__store_release(&map->words[chunk], word);
        return true;
}

void plait__map_recover(unsigned job, unsigned slot, int status)
{
        struct plait__running_map *map = running(job);
        struct plait__map *shared = map->shared;
        pid_t pid = (pid_t)plait__load(&plait__slot_of(map->pool, slot)->pid);
        uint64_t word, done = 0, cursor = plait__load(&shared->cursor), next;
        uint32_t lowest = UINT32_MAX, i;

        for (i = 0; i < shared->chunks; i++) {
                word = plait__load_acquire(&map->words[i]);
                if (plait__claim_owner(word) != slot + 1)
                        continue;
                if (word & PLAIT__DONE)
                        done++;
                else if (chunk_back(map, i, word, status, pid, &map->chunks_ended) && lowest == UINT32_MAX)
                        lowest = i;
        }
        plait__store_release(&map->tallies[slot].chunks, done);
        while (lowest != UINT32_MAX) {
                next = (cursor >> 32) + 1;
                next = next << 32 | (lowest < (uint32_t)cursor ? lowest : (uint32_t)cursor);
                if (atomic_compare_exchange_strong_explicit(&shared->cursor, &cursor, next, memory_order_seq_cst, memory_order_relaxed))
                        break;
        }
        plait__pool_wake(map->pool, plait__map_wants(job));
        plait__unpark(map->strand);
}

/* ---- the strand that waits */

static void stop(struct plait__running_map *map, int state)
{
        struct plait__posted *posted = &plait__region.posted[map->index];
        enum plait__cancel how = state == -ETIMEDOUT ? PLAIT__CANCEL_TIMEOUT : PLAIT__CANCEL_OUTER;
        plait_time kill_at;
        uint64_t word;
        uint32_t i;

        map->stopped = true;
        plait__region_lock();
        plait__store(&map->shared->stop, 1);
        for (i = 0; i < map->shared->chunks; i++) {
                word = plait__load(&map->words[i]);
                if (plait__claim_owner(word) == 0 &&
                    plait__claim_swap(&map->words[i], word, plait__claim_owned(word, PLAIT__OWNER_PARENT) | PLAIT__DONE))
                        map->chunks_ended++;
        }
        for (i = 0; i < map->pool->slots; i++) {
                plait__store(&plait__group_scope(&map->tallies[i].group)->cancelled, how);
                if (plait__load(&plait__slot_of(map->pool, i)->hazard) != map->index + 1)
                        continue;
                plait__store(&plait__slot_of(map->pool, i)->attention, 1);
                plait__worker_ring(map->pool, i);
        }
        kill_at = kill_moment(map, plait__clock_now());
        if (kill_at < posted->kill_at) {
                posted->kill_at = kill_at;
                posted->kill_reason = state;
                plait__monitor_kick();
        }
        plait__region_unlock();
}

static bool ended(struct plait__running_map *map)
{
        uint64_t chunks;
        unsigned i;

        plait__region_lock();
        chunks = map->chunks_ended;
        for (i = 0; i < map->shared->workers; i++)
                chunks += plait__load_acquire(&map->tallies[i].chunks);        /* pairs with the worker's, after its results */
        plait__region_unlock();
        return chunks >= map->shared->chunks;
}

/* 0, or why no worker can be had: the monitor says so. */
static int broken(const struct plait__running_map *map, int *ret_status)
{
        int result;

        plait__region_lock();
        result = map->broken;
        *ret_status = map->broken_status;
        plait__region_unlock();
        return result;
}

static void tell_progress(struct plait__running_map *map)
{
        uint64_t items;
        unsigned i;

        plait__region_lock();
        items = map->items_ended;
        plait__region_unlock();
        for (i = 0; i < map->shared->workers; i++)
                items += plait__load(&map->tallies[i].items);
        if (items >= map->shared->count)
                items = map->shared->count - 1; /* all is told once, at the end */
        if (items <= map->told)
                return;
        map->told = items;
        map->options->progress(map->options->progress_arg, items, map->shared->count);
}

static void wait_for_end(struct plait__running_map *map)
{
        struct plait__strand *strand = map->strand;
        int state, status;

        while (!ended(map)) {
                if (map->options->progress)
                        tell_progress(map);
                state = map->cut ? 0 : plait__scope_state(strand, NULL);
                if (state < 0) {
                        map->cut = state;
                        stop(map, state);
                        continue;
                }
                if (!map->stopped && (plait__load(&map->shared->stop) || broken(map, &status))) {
                        stop(map, -ECANCELED);
                        continue;
                }
                plait__park(strand, PLAIT__ON_GROUP, map->cut ? PLAIT_FOREVER : strand->deadline);
        }
}

/* ---- the end */

static bool is_read(const struct plait__pool *pool, unsigned job)
{
        unsigned i;

        for (i = 0; i < pool->slots; i++)
                if (atomic_load_explicit(&plait__slot_of(pool, i)->hazard, memory_order_seq_cst) == job + 1)
                        return true;
        return false;
}

void plait__map_reclaim(unsigned job)
{
        struct plait__pool *pool = plait__region.posted[job].pool;

        plait__region.posted[job].lingers = is_read(pool, job);
        if (plait__region.posted[job].lingers)
                return;
        plait__pool_unlist(pool, job);
        plait__job_give(job);
        if (plait__region.waiting)
                plait__monitor_kick();
        if (pool->closer)
                plait__unpark(pool->closer);
}

/* No worker enters it any more; one that is about to leave is waited for a moment, or else the monitor frees the job later. */
static void retire(struct plait__running_map *map)
{
        int tries = 0;

        plait__region_lock();
        atomic_fetch_and_explicit(&map->pool->board->maps, ~((uint64_t)1 << map->place), memory_order_seq_cst);
        plait__region.posted[map->index].map = NULL;
        plait__region.posted[map->index].kill_at = PLAIT_FOREVER;
        plait__port_count(map->job->port, -1);
        plait__region_unlock();
        while (is_read(map->pool, map->index) && ++tries < ADDRESS_SPINS)
                plait__pause();
        plait__region_lock();
        plait__map_reclaim(map->index);
        plait__region_unlock();
}

static void copy_out(struct plait__running_map *map)
{
        const struct plait__map *shared = map->shared;
        uint64_t item, not_run = 0;
        int result;

        memcpy(map->items, plait__at(plait__region.head, shared->items), shared->count * shared->size);
        for (item = 0; item < shared->count; item++) {
                not_run += map->results[item] == NOT_RUN;
                result = map->results[item] == NOT_RUN ? -ECANCELED : map->results[item];
                if (result < 0 && !map->below)
                        map->below = result;
                if (map->options->results)
                        map->options->results[item] = result;
        }
        if (!not_run && map->options->progress)
                map->options->progress(map->options->progress_arg, shared->count, shared->count);
}

/* What cut the map short, when no item has failed. A worker that dies may not have told: then the item's own result. */
static int cut_by(const struct plait__running_map *map)
{
        int cut = plait__load(&map->shared->cut);

        if (!cut)
                cut = map->cut;
        return cut ? cut : map->below;
}

static int outcome(struct plait__running_map *map)
{
        plait_failure *failure = map->options->failure;
        uint64_t failed = plait__load_acquire(&map->shared->failed);
        int status, result = broken(map, &status);

        if (!map->below)
                return 0;
        if (failed) {
                result = map->results[failed - 1];
                status = map->failed_status;
        }
        if (failure && result) {
                failure->result = result;
                failure->status = status;
                failure->pid = failed ? (pid_t)map->shared->failed_pid : 0;
                failure->arg = failed ? map->items + (failed - 1) * map->shared->size : NULL;
                strcpy(failure->name, "map");
        }
        return result ? result : cut_by(map);
}

static int run(struct plait__running_map *map, plait_fn *fn, size_t count, size_t size)
{
        int rc = allocate(map, fn, count, size);

        if (rc < 0)
                return rc;
        map->job->deadline = map->strand->deadline;
        map->job->port = plait__port_for(NULL);
        fill(map, map->options);
        for (;;) {
                plait__region_lock();
                if (find_place(map))
                        break;
                plait__region_unlock();
                plait__park(map->strand, PLAIT__ON_GROUP, plait__clock_after(plait__loop_now(map->strand->loop), PLAIT_MS));
        }
        publish(map);
        plait__region_unlock();
        wait_for_end(map);
        copy_out(map);
        rc = outcome(map);
        retire(map);
        return rc;
}

int plait__pool_map(const plait_map_options *options, plait_fn *fn, void *items, size_t count, size_t size)
{
        struct plait__running_map map = {.pool = (struct plait__pool *)options->executor, .options = options, .items = items};
        int rc;

        map.strand = plait__loop_here->current;
        map.strand->object = NULL;
        if (options->common && !options->common_size)
                return -EFAULT;
        rc = plait__pool_need(map.pool);
        if (rc < 0)
                return rc;
        if (options->retries) {
                map.retried = plait__sys.alloc(count * sizeof *map.retried);
                if (!map.retried)
                        return -ENOMEM;
        }
        if (options->within)
                plait_scope_enter(&map.scope, options->within);
        rc = run(&map, fn, count, size);
        if (options->within)
                plait_scope_leave(&map.scope);
        plait__sys.free(map.retried);
        return rc;
}
