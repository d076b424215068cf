/* What a pool and its workers share, and what becomes of jobs whose worker has died or is to be killed.
 *
 * Waking. A worker that has run out of work spins for a moment before it sleeps, one of a pool at a time. Who posts wakes nobody
 * while one spins and finds no more than that one task open; else the first idle worker; and if none is idle, and more may be
 * had, the monitor starts one. */
#define _GNU_SOURCE
#include "process/pool.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/sys.h"
#include "process/function.h"
#include "process/monitor.h"

#define LOOK_AGAIN PLAIT_MS                     /* a job whose moment to be killed is not known, not sooner than this */

/* ---- the list of jobs */

void plait__pool_list(struct plait__pool *pool, unsigned job)
{
        plait__posted(job)->prev = PLAIT__NO_JOB;
        plait__posted(job)->next = pool->jobs;
        if (pool->jobs != PLAIT__NO_JOB)
                plait__posted(pool->jobs)->prev = (uint16_t)job;
        pool->jobs = (uint16_t)job;
        pool->job_count++;
}

void plait__pool_unlist(struct plait__pool *pool, unsigned job)
{
        struct plait__posted *posted = plait__posted(job);

        if (posted->prev == PLAIT__NO_JOB)
                pool->jobs = posted->next;
        else
                plait__posted(posted->prev)->next = posted->next;
        if (posted->next != PLAIT__NO_JOB)
                plait__posted(posted->next)->prev = posted->prev;
        pool->job_count--;
}

/* ---- the board */

static int board_make(struct plait__pool *pool)
{
        size_t size = sizeof *pool->board + pool->slots * sizeof *pool->board->slots;
        uint64_t at = plait__arena_take(size), arg = 0;
        struct plait__board *board;

        if (!at)
                return -ENOMEM;
        board = plait__at(plait__region.head, at);
        memset(board, 0, size);
        board->slot_count = pool->slots;
        board->tasks_max = pool->tasks_max;
        if (pool->initializer) {
                if (plait__function_find(plait__region.head, pool->initializer, &board->initializer) < 0)
                        goto no_function;
                if (pool->initializer_arg_size && !(arg = plait__arena_take(pool->initializer_arg_size)))
                        goto no_memory;
                if (arg)
                        memcpy(plait__at(plait__region.head, arg), pool->initializer_arg, pool->initializer_arg_size);
                board->initializer_arg = arg;
                board->initializer_arg_size = pool->initializer_arg_size;
                board->has_initializer = 1;
        }
        pool->board = board;
        return 0;
no_memory:
        plait__arena_give(at);
        return -ENOMEM;
no_function:
        plait__arena_give(at);
        return -ENOEXEC;
}

int plait__pool_need(struct plait__pool *pool)
{
        int rc = plait__region_need();

        if (rc < 0)
                return rc;
        plait__region_lock();
        if (!pool->workers && !(pool->workers = plait__sys.alloc(pool->slots * sizeof *pool->workers)))
                rc = -ENOMEM;
        if (rc == 0 && !pool->board)
                rc = board_make(pool);
        if (rc == 0 && !pool->listed)
                plait__monitor_add(pool);
        plait__region_unlock();
        return rc;
}

/* ---- waking; with the region locked */

static bool wake_one(struct plait__pool *pool)
{
        unsigned words = (pool->slots + 63) / 64, i, slot;
        uint64_t idle, bit;

        for (i = 0; i < words; i++) {
                while ((idle = atomic_load_explicit(&pool->board->idle[i], memory_order_seq_cst))) {
                        slot = i * 64 + (unsigned)__builtin_ctzll(idle);
                        bit = idle & -idle;
                        if (atomic_fetch_and_explicit(&pool->board->idle[i], ~bit, memory_order_relaxed) & bit) {
                                plait__worker_ring(pool, slot);
                                return true;
                        }
                }
        }
        return false;
}

unsigned plait__pool_open_tasks(const struct plait__pool *pool)
{
        return (unsigned)(plait__load(&pool->board->tail) - plait__load(&pool->board->head));
}

bool plait__pool_wake(struct plait__pool *pool, unsigned wanted)
{
        if (atomic_load_explicit(&pool->board->spinning, memory_order_seq_cst) && wanted)
                wanted--;
        while (wanted && wake_one(pool))
                wanted--;
        return wanted && pool->alive < pool->slots;
}

void plait__pool_offer(struct plait__pool *pool, unsigned job)
{
        struct plait__board *board = pool->board;
        uint64_t tail = plait__load(&board->tail);

        plait__store(&board->ring[tail % PLAIT__RING], (uint64_t)plait__job(job)->gen << 32 | job);
        atomic_store_explicit(&board->tail, tail + 1, memory_order_seq_cst);   /* before we look who sleeps; see the worker's arm() */
}

/* ---- killing */

bool plait__job_revoke(unsigned job, int result, int status)
{
        struct plait__job *shared = plait__job(job);
        uint64_t open = plait__claim_open(shared->gen, 0);

        if (!plait__claim_swap(&shared->word, open, plait__claim_owned(open, PLAIT__OWNER_PARENT) | PLAIT__IN_FN))
                return false;
        shared->result = result;
        plait__posted(job)->task->status = status;
        plait__store_release(&shared->word, plait__claim_owned(open, PLAIT__OWNER_PARENT) | PLAIT__DONE);
        plait__port_tell(plait__region.head, plait__region.monitor_fd, job);
        return true;
}

void plait__job_kill(unsigned job, int reason)
{
        struct plait__job *shared = plait__job(job);
        struct plait__posted *posted = plait__posted(job);
        uint64_t word;

        posted->kill_at = PLAIT_FOREVER;
        posted->kill_reason = reason;
        if (shared->is_map) {
                if (posted->map)
                        plait__map_kill(job, reason);
                return;
        }
        if (!shared->posted && plait__job_revoke(job, reason, 0))
                return;
        do {
                word = plait__load_acquire(&shared->word);
                if ((word & PLAIT__DONE) || !plait__claim_owner(word))
                        return;
        } while (!plait__claim_swap(&shared->word, word, word | PLAIT__CONDEMNED));
        plait__worker_kill(posted->pool, plait__claim_owner(word) - 1);
}

/* A task's own time counts from when its worker begins it. Until that is known it is not over sooner than if it began now: the
 * moment to look again. */
static plait_time look_at_own(unsigned job, plait_time now)
{
        struct plait__job *shared = plait__job(job);
        struct plait__posted *posted = plait__posted(job);
        plait_time own = plait__load(&shared->own_deadline), moment;

        if (!own) {
                moment = plait__clock_after(plait__clock_after(now, shared->within), posted->own_kill_after);
                return moment > now + LOOK_AGAIN ? moment : now + LOOK_AGAIN;
        }
        moment = plait__clock_after(own, posted->own_kill_after);
        posted->own_kill_after = 0;
        if (moment < posted->kill_at) {
                posted->kill_at = moment;
                posted->kill_reason = -ETIMEDOUT;
        }
        return PLAIT_FOREVER;
}

plait_time plait__pool_kills(struct plait__pool *pool, plait_time now)
{
        plait_time next = PLAIT_FOREVER, moment;
        unsigned job, after;

        for (job = pool->jobs; job != PLAIT__NO_JOB; job = after) {
                after = plait__posted(job)->next;
                if (plait__posted(job)->lingers) {
                        plait__map_reclaim(job);
                        continue;
                }
                moment = plait__posted(job)->own_kill_after ? look_at_own(job, now) : PLAIT_FOREVER;
                if (moment < next)
                        next = moment;
                if (plait__posted(job)->kill_at <= now)
                        plait__job_kill(job, plait__posted(job)->kill_reason);
                else if (plait__posted(job)->kill_at < next)
                        next = plait__posted(job)->kill_at;
        }
        return next;
}

/* ---- deaths */

static void recover_task(struct plait__pool *pool, unsigned job, unsigned owner, int status)
{
        struct plait__job *shared = plait__job(job);
        uint64_t word = plait__load_acquire(&shared->word);

        (void)pool;
        if (plait__claim_owner(word) != owner)
                return;
        if (!(word & PLAIT__DONE)) {
                shared->result = word & PLAIT__CONDEMNED ? plait__posted(job)->kill_reason : -EOWNERDEAD;
                plait__posted(job)->task->status = status;
                plait__posted(job)->died = true;
                plait__store_release(&shared->word, (word & ~(PLAIT__IN_FN | PLAIT__CONDEMNED)) | PLAIT__DONE);
        }
        plait__port_tell(plait__region.head, plait__region.monitor_fd, job);
}

/* For the slot's next worker. Word by word: who waits for a hazard to go away looks without the lock. */
static void slot_clear(struct plait__slot *slot)
{
        plait__store(&slot->bell, 0);
        plait__store(&slot->attention, 0);
        plait__store(&slot->in_poller, 0);
        plait__store(&slot->state, PLAIT__SLOT_EMPTY);
        plait__store(&slot->pid, 0);
        plait__store_release(&slot->hazard, 0);         /* pairs with map.c's is_read() */
}

void plait__pool_recover(struct plait__pool *pool, unsigned slot, int status)
{
        uint32_t spinning = slot + 1;
        unsigned job;

        for (job = pool->jobs; job != PLAIT__NO_JOB; job = plait__posted(job)->next) {
                if (plait__posted(job)->map)
                        plait__map_recover(job, slot, status);
                else if (plait__posted(job)->task)
                        recover_task(pool, job, slot + 1, status);
        }
        atomic_compare_exchange_strong_explicit(&pool->board->spinning, &spinning, 0, memory_order_seq_cst, memory_order_relaxed);
        atomic_fetch_and_explicit(&pool->board->idle[slot / 64], ~((uint64_t)1 << slot % 64), memory_order_relaxed);
        slot_clear(plait__slot_of(pool, slot));
}

void plait__pool_fail(struct plait__pool *pool, int result, int status)
{
        unsigned job;

        for (job = pool->jobs; job != PLAIT__NO_JOB; job = plait__posted(job)->next) {
                if (plait__posted(job)->map)
                        plait__map_fail(job, result, status);
                else if (plait__posted(job)->task)
                        plait__job_revoke(job, result, status);
        }
        /* none of the ring's entries is open any more: left there, they would count as work to start workers for */
        plait__store(&pool->board->head, plait__load(&pool->board->tail));
}
