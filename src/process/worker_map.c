/* A worker in a map: it claims chunks and runs their items, all of them as one task of its own. While it reads the map's arrays its
 * slot's hazard names the map, so that the parent does not give them to another meanwhile. Between two chunks it lets single tasks
 * go first. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/panic.h"
#include "core/strand.h"
#include "process/chunks.h"
#include "process/function.h"
#include "process/worker_inside.h"
#include "task/executor.h"
#include "task/group.h"

static bool map_open(const struct plait__job *job)
{
        const struct plait__map *map = &job->map;

        return (uint32_t)plait__load(&map->cursor) < map->chunks && !plait__load(&map->stop) && plait__me.owner <= map->workers;
}

static _Atomic uint64_t *chunk_words(const struct plait__map *map)
{
        return plait__at(plait__me.head, map->words);
}

/* The next open chunk: its number and how far it is. */
static bool claim_chunk(struct plait__map *map, uint16_t gen, uint32_t *ret_chunk, uint64_t *ret_word)
{
        uint64_t cursor, word;

        for (;;) {
                cursor = plait__load_acquire(&map->cursor);
                if ((uint32_t)cursor >= map->chunks)
                        return false;
                word = plait__load(&chunk_words(map)[(uint32_t)cursor]);
                if (word == plait__claim_open(gen, plait__claim_progress(word))) {
                        *ret_word = plait__claim_owned(word, plait__me.owner);
                        *ret_chunk = (uint32_t)cursor;
                        if (!plait__claim_swap(&chunk_words(map)[(uint32_t)cursor], word, *ret_word))
                                continue;
                        atomic_compare_exchange_strong_explicit(&map->cursor, &cursor, cursor + 1, memory_order_relaxed,
                                                                memory_order_relaxed);
                        return true;
                }
                atomic_compare_exchange_strong_explicit(&map->cursor, &cursor, cursor + 1, memory_order_relaxed, memory_order_relaxed);
        }
}

/* The owner's next word; with a swap if the parent may have condemned us. */
static inline void set_word(const struct plait__map *map, _Atomic uint64_t *place, uint64_t from, uint64_t to)
{
        if (plait__likely(!map->can_be_killed))
                plait__store_release(place, to);        /* what was written before counts from here on */
        else if (!plait__claim_swap(place, from, to))
                plait__worker_be_killed();
}

static void note_failure(struct plait__map *map, uint64_t item)
{
        uint64_t none = 0;

        if (atomic_compare_exchange_strong_explicit(&map->failed, &none, item + 1, memory_order_release, memory_order_relaxed))
                map->failed_pid = plait__me.pid;
        if (!map->keep_going)
                plait__store(&map->stop, 1);
        plait__worker_tell(plait__me.map_index);
}

/* What had ended around the first item that was cut short, or that did not begin for that. */
static void note_cut(struct plait__map *map, int state)
{
        int32_t none = 0;

        atomic_compare_exchange_strong_explicit(&map->cut, &none, state, memory_order_relaxed, memory_order_relaxed);
}

/* An item has ended with less than 0: was it cut short, or is it a failure? */
static void judge(struct plait__map *map, uint64_t item, int rc)
{
        int state = rc == -ECANCELED || rc == -ETIMEDOUT ? plait_cancelled() : 0;

        if (state < 0)
                note_cut(map, state);
        else
                note_failure(map, item);
}

/* The items of one chunk; false: this worker retires, and leaves the rest to others. */
static bool run_chunk(struct plait__map *map, struct plait__tally *tally, uint32_t chunk, uint64_t word)
{
        _Atomic uint64_t *place = &chunk_words(map)[chunk];
        uint64_t item = plait__chunk_start(plait__me.head, map, chunk) + plait__claim_progress(word);
        uint64_t end = plait__chunk_end(plait__me.head, map, chunk);
        int32_t *results = plait__at(plait__me.head, map->results);
        bool timed = plait__me.task->strand.deadline != PLAIT_FOREVER;
        int rc;

        for (; item < end; item++) {
                if (plait__load(&map->stop))
                        break;
                if (timed && (rc = plait_cancelled()) < 0) {
                        note_cut(map, rc);
                        break;
                }
                if (plait__unlikely(plait__worker_retires()))
                        return false;
                set_word(map, place, word, word | PLAIT__IN_FN);
                rc = plait__me.failed < 0 ? plait__me.failed : plait__me.fn((char *)plait__at(plait__me.head, map->items) + item * map->size);
                if (plait__unlikely(plait__load(&plait__loop_forked)))
                        _exit(0);
                if (plait__unlikely(plait__me.task->strand.scope != NULL))
                        plait__panic("plait_map", "an item's function returned while a scope or group that it opened is still open");
                results[item] = rc;
                plait__me.tasks++;
                set_word(map, place, word | PLAIT__IN_FN, word + 1);
                word++;
                if (plait__unlikely(rc < 0))
                        judge(map, item, rc);
                if (map->wants_progress) {
                        plait__store(&tally->items, plait__load(&tally->items) + 1);
                        plait__worker_tell(plait__me.map_index);
                }
        }
        plait__worker_flush();
        set_word(map, place, word, word | PLAIT__DONE);
        plait__store_release(&tally->chunks, plait__load(&tally->chunks) + 1);
        return true;
}

static int run_map(void *arg)
{
        struct plait__job *job = arg;
        struct plait__map *map = &job->map;
        struct plait__tally *tally = (struct plait__tally *)plait__at(plait__me.head, map->tallies) + plait__me.number;
        uint64_t word;
        uint32_t chunk;

        plait__common_here = map->common ? plait__at(plait__me.head, map->common) : NULL;
        plait__store(&plait__common_task, plait__me.task);
        while (claim_chunk(map, job->gen, &chunk, &word) && run_chunk(map, tally, chunk, word) && !plait__worker_tasks_wait())
                ;
        plait__store(&plait__common_task, NULL);
        return 0;
}

static int no_function(void *item)
{
        (void)item;
        return -ENOEXEC;
}

static void enter_map(struct plait__job *job)
{
        struct plait__tally *tally = (struct plait__tally *)plait__at(plait__me.head, job->map.tallies) + plait__me.number;
        struct plait_task *task = plait__record_new(plait__me.loop);

        if (!task)
                return;                         /* the parent has others, or will fail */
        plait__me.fn = plait__function_here(plait__me.head, &job->function);
        if (!plait__me.fn)
                plait__me.fn = no_function;
        plait__worker_group(&tally->group, job->deadline, "map", task);
        task->fn = run_map;
        task->arg = job;
        plait__worker_run_task(task);
        plait__worker_tell(plait__me.map_index);
}

bool plait__worker_take_map(void)
{
        uint64_t maps = plait__load_acquire(&plait__me.board->maps);
        struct plait__job *job;
        unsigned place;
        bool done = false;

        for (; maps && !done; maps &= maps - 1) {
                place = (unsigned)__builtin_ctzll(maps);
                plait__me.map_index = plait__me.board->map_jobs[place];
                job = &plait__me.head->jobs[plait__me.map_index];
                if (!map_open(job))
                        continue;
                atomic_store_explicit(&plait__me.slot->hazard, plait__me.map_index + 1, memory_order_seq_cst);
                /* the parent clears the bit, then looks at the hazards: one of us sees the other */
                if ((atomic_load_explicit(&plait__me.board->maps, memory_order_seq_cst) & (uint64_t)1 << place) &&
                    plait__me.board->map_jobs[place] == plait__me.map_index && job->is_map && map_open(job)) {
                        enter_map(job);
                        done = true;
                }
                plait__store_release(&plait__me.slot->hazard, 0);
        }
        return done;
}

bool plait__worker_maps_wait(void)
{
        uint64_t maps = plait__load(&plait__me.board->maps);

        for (; maps; maps &= maps - 1)
                if (map_open(&plait__me.head->jobs[plait__me.board->map_jobs[__builtin_ctzll(maps)]]))
                        return true;
        return false;
}
