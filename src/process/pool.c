/* Tasks for worker processes. A task becomes a job: its bytes are copied into the region, its number is put on the board's ring,
 * and a worker claims it by the job's word. While it is away its state says so; whoever hears of its end (port.c) copies the bytes
 * back and finishes it.
 *
 * Waking. A worker that has run out of work spins for a moment before it sleeps, one of a pool at a time. Who posts wakes nobody
 * while one spins and finds no more than that one task open; else the first idle worker; and if none is idle, and more may be had,
 * the monitor starts one.
 *
 * Locks: a group's, then the region's. Nothing is called with the region's lock held but plait__unpark(). */
#define _GNU_SOURCE
#include "process/pool.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>

#include "base/clock.h"
#include "base/panic.h"
#include "base/sys.h"
#include "core/strand.h"
#include "process/function.h"
#include "process/monitor.h"
#include "process/port.h"
#include "task/group.h"

static void lock(void)
{
        plait__spin_acquire(&plait__region.lock);
}

static void unlock(void)
{
        plait__spin_release(&plait__region.lock);
}

static struct plait__posted *posted_of(unsigned job)
{
        return &plait__region.posted[job];
}

/* ---- the list of jobs */

void plait__pool_list(struct plait__pool *pool, unsigned job)
{
        posted_of(job)->prev = PLAIT__NO_JOB;
        posted_of(job)->next = pool->jobs;
        if (pool->jobs != PLAIT__NO_JOB)
                posted_of(pool->jobs)->prev = (uint16_t)job;
        pool->jobs = (uint16_t)job;
        pool->job_count++;
}

void plait__pool_unlist(struct plait__pool *pool, unsigned job)
{
        struct plait__posted *posted = posted_of(job);

        if (posted->prev == PLAIT__NO_JOB)
                pool->jobs = posted->next;
        else
                posted_of(posted->prev)->next = posted->next;
        if (posted->next != PLAIT__NO_JOB)
                posted_of(posted->next)->prev = posted->prev;
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
        lock();
        if (!pool->workers && !(pool->workers = plait__sys.alloc(pool->slots * sizeof *pool->workers)))
                rc = -ENOMEM;
        if (rc == 0 && !pool->board)
                rc = board_make(pool);
        if (rc == 0 && !pool->listed)
                plait__monitor_add(pool);
        unlock();
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

/* Room for one more in the ring: claimed entries at its head count as room only once a worker has passed them. */
static bool ring_full(const struct plait__pool *pool)
{
        return plait__pool_open_tasks(pool) >= PLAIT__RING;
}

/* ---- posting */

/* The job's bytes: in the job itself, or in the arena. */
static int copy_in(unsigned job, const struct plait_task *task)
{
        struct plait__job *shared = plait__job(job);
        uint64_t at = (uint64_t)((char *)shared->inline_bytes - (char *)plait__region.head);

        if (task->size > PLAIT__JOB_BYTES) {
                lock();
                at = posted_of(job)->block = plait__arena_take(task->size);
                unlock();
                if (!at)
                        return -ENOMEM;
        }
        shared->bytes = at;
        shared->size = task->size;
        if (task->size)
                memcpy(plait__at(plait__region.head, at), task->arg, task->size);
        return 0;
}

static plait_time kill_after_of(const struct plait_task *task)
{
        return task->extra && task->extra->kill_after ? task->extra->kill_after : task->group->kill_after;
}

static void describe(unsigned job, const struct plait_task *task, const struct plait__function *function, unsigned port)
{
        struct plait__job *shared = plait__job(job);
        struct plait__posted *posted = posted_of(job);
        plait_time kill_after = kill_after_of(task);
        const char *name = plait_task_name(task);

        shared->function = *function;
        shared->deadline = task->strand.deadline;
        shared->within = task->extra ? task->extra->within : 0;
        shared->own_deadline = 0;
        shared->port = port;
        shared->posted = (task->strand.flags & PLAIT__POSTED) != 0;
        shared->is_map = 0;
        shared->result = 0;
        shared->pid = 0;
        shared->name[0] = 0;
        if (*name)
                strncpy(shared->name, name, sizeof shared->name - 1);
        plait__store(&plait__group_scope(&shared->group)->cancelled, PLAIT__CANCEL_NONE);
        if (kill_after > 0 && shared->deadline != PLAIT_FOREVER) {
                posted->kill_at = plait__clock_after(shared->deadline, kill_after);
                posted->kill_reason = -ETIMEDOUT;
        }
}

/* With the region locked: cancels a job that is posted. */
static void cancel_job(struct plait_task *task, unsigned job, int state)
{
        struct plait__job *shared = plait__job(job);
        struct plait__posted *posted = posted_of(job);
        plait_time kill_after = kill_after_of(task), kill_at;
        unsigned owner;

        if (!shared->posted && plait__job_revoke(job, state, 0))
                return;
        plait__store(&plait__group_scope(&shared->group)->cancelled,
                     state == -ETIMEDOUT ? PLAIT__CANCEL_TIMEOUT : PLAIT__CANCEL_OUTER);
        owner = plait__claim_owner(plait__load_acquire(&shared->word));
        if (owner && owner != PLAIT__OWNER_PARENT) {
                plait__store(&plait__slot_of(posted->pool, owner - 1)->attention, 1);
                plait__worker_ring(posted->pool, owner - 1);
        }
        kill_at = kill_after > 0 ? plait__clock_after(plait__clock_now(), kill_after) : PLAIT_FOREVER;
        if (kill_at < posted->kill_at) {
                posted->kill_at = kill_at;
                posted->kill_reason = state;
                plait__monitor_kick();
        }
}

/* What has ended around a task that is away; any thread may ask. */
static int state_of(struct plait_task *task)
{
        struct plait__loop *loop = plait__loop_here;

        if (!plait__load(&plait__cancels) && task->strand.deadline == PLAIT_FOREVER)
                return 0;
        return loop ? plait__scope_state_from(loop, &task->strand, NULL) : -ECANCELED;
}

/* With the region locked. */
static void offer_and_wake(struct plait__pool *pool, unsigned job)
{
        bool kick;

        plait__store_release(&plait__job(job)->word, plait__claim_open(plait__job(job)->gen, 0));
        plait__pool_list(pool, job);
        plait__pool_offer(pool, job);
        plait__monitor_posted();
        kick = plait__pool_wake(pool, plait__pool_open_tasks(pool));
        if (kick || posted_of(job)->kill_at != PLAIT_FOREVER)
                plait__monitor_kick();
}

/* Without the lock: the task gets the job that was taken for it, and goes. */
static int post(struct plait__pool *pool, struct plait_task *task, unsigned job)
{
        struct plait__function function;
        unsigned port = plait__port_for(task->group);
        int rc, state;

        lock();
        rc = plait__function_find(plait__region.head, task->fn, &function);
        unlock();
        if (rc == 0)
                rc = copy_in(job, task);
        if (rc < 0) {
                lock();
                plait__job_give(job);
                unlock();
                return rc;
        }
        describe(job, task, &function, port);
        lock();
        posted_of(job)->task = task;
        task->strand.object = &plait__region.posted[job];
        plait__port_count(port, 1);
        offer_and_wake(pool, job);
        state = state_of(task);                 /* a cancel that came before we took the lock found no job */
        if (plait__unlikely(state < 0))
                cancel_job(task, job, state);
        unlock();                               /* from here on the task may have ended */
        return 0;
}

/* So that a cancel either sees it away, or is seen by us. */
static void send_away(struct plait_task *task)
{
        struct plait__group *group = plait__group_of(task->group);

        task->strand.object = NULL;
        plait__group_lock(group);
        plait__store(&task->strand.state, PLAIT__AWAY);
        plait__group_unlock(group);
        plait__scope_begin_task(&task->strand);
}

static int processes_start(plait_executor *self, struct plait_task *task)
{
        struct plait__pool *pool = (struct plait__pool *)self;
        int rc = plait__pool_need(pool), job;

        if (rc < 0)
                return rc;
        task->strand.loop = plait__loop_here;
        if (!plait__record_extra(task))         /* for the pid: nothing is to fail later */
                return -ENOMEM;
        send_away(task);
        rc = task->strand.flags & PLAIT__POSTED ? 0 : state_of(task);
        if (rc < 0)
                return rc;
        lock();
        job = plait__list_empty(&pool->waiting) && !ring_full(pool) ? plait__job_take(pool) : -1;
        if (job < 0) {
                plait__list_append(&pool->waiting, &task->strand.wait);
                pool->waiting_count++;
        }
        unlock();
        if (job < 0)
                return 0;
        return post(pool, task, (unsigned)job);
}

/* A task that waited for a job, when one is free. Finishes it if that fails. */
static void post_waiting(struct plait__pool *pool)
{
        struct plait__link *link;
        struct plait_task *task;
        int job = -1, rc;

        for (;;) {
                lock();
                link = ring_full(pool) ? NULL : plait__list_first(&pool->waiting);
                job = link ? plait__job_take(pool) : -1;
                if (job >= 0) {
                        plait__list_remove(link);
                        pool->waiting_count--;
                }
                unlock();
                if (job < 0)
                        return;
                task = plait__task_of(plait__container(link, struct plait__strand, wait));
                rc = pool->killing ? -ECANCELED : task->strand.flags & PLAIT__POSTED ? 0 : state_of(task);
                if (rc == 0)
                        rc = post(pool, task, (unsigned)job);
                if (rc < 0) {
                        task->strand.loop = plait__loop_here;
                        plait__task_finish(task, rc);
                }
        }
}

/* ---- cancelling and killing */

static struct plait__posted *posted_for(const struct plait_task *task)
{
        struct plait__posted *posted = task->strand.object;

        return posted && posted->task == task ? posted : NULL;
}

static void processes_cancel(plait_executor *self, struct plait_task *task)
{
        struct plait__posted *posted;
        int state = state_of(task);

        (void)self;
        if (state == 0)
                return;
        lock();
        posted = posted_for(task);              /* NULL: who posts it will see the cancel */
        if (posted)
                cancel_job(task, (unsigned)(posted - plait__region.posted), state);
        unlock();
}

static int processes_kill(plait_executor *self, struct plait_task *task)
{
        struct plait__posted *posted;

        (void)self;
        lock();
        posted = posted_for(task);
        if (posted)
                plait__job_kill((unsigned)(posted - plait__region.posted), -ECANCELED);
        unlock();
        return 0;
}

bool plait__job_revoke(unsigned job, int result, int status)
{
        struct plait__job *shared = plait__job(job);
        uint64_t open = plait__claim_open(shared->gen, 0);

        if (!plait__claim_swap(&shared->word, open, plait__claim_owned(open, PLAIT__OWNER_PARENT) | PLAIT__IN_FN))
                return false;
        shared->result = result;
        posted_of(job)->task->status = status;
        plait__store_release(&shared->word, plait__claim_owned(open, PLAIT__OWNER_PARENT) | PLAIT__DONE);
        plait__port_tell(plait__region.head, plait__region.monitor_fd, job);
        return true;
}

void plait__job_kill(unsigned job, int reason)
{
        struct plait__job *shared = plait__job(job);
        struct plait__posted *posted = posted_of(job);
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

plait_time plait__pool_kills(struct plait__pool *pool, plait_time now)
{
        plait_time next = PLAIT_FOREVER;
        unsigned job, after;

        for (job = pool->jobs; job != PLAIT__NO_JOB; job = after) {
                after = posted_of(job)->next;
                if (posted_of(job)->lingers) {
                        plait__map_reclaim(job);
                        continue;
                }
                if (posted_of(job)->kill_at <= now)
                        plait__job_kill(job, posted_of(job)->kill_reason);
                else if (posted_of(job)->kill_at < next)
                        next = posted_of(job)->kill_at;
        }
        return next;
}

/* ---- ends */

static bool still_busy(const struct plait__pool *pool)
{
        return pool->job_count || pool->waiting_count || pool->posters;
}

/* With the region locked; the pool may be gone afterwards. */
static void tell_closer(struct plait__pool *pool)
{
        if (pool->closer && !still_busy(pool))
                plait__unpark(pool->closer);
}

/* The task that has ended in this job, which is nobody else's to finish from here on; NULL: there is none. */
static struct plait_task *claim_ended(unsigned job)
{
        struct plait__posted *posted = posted_of(job);
        struct plait_task *task = NULL;

        lock();
        if (posted->map) {
                plait__map_told(job);
        } else if (posted->task && (plait__load_acquire(&plait__job(job)->word) & PLAIT__DONE)) {
                task = posted->task;
                posted->task = NULL;            /* told twice: once is enough */
        }
        unlock();
        return task;
}

/* Takes what the worker has left. */
static int fetch(unsigned job, struct plait_task *task)
{
        const struct plait__job *shared = plait__job(job);
        bool ran = plait__claim_owner(plait__load(&shared->word)) != PLAIT__OWNER_PARENT && !posted_of(job)->died;

        task->extra->pid = (pid_t)shared->pid;
        if (shared->own_deadline)
                task->extra->deadline = shared->own_deadline;
        if (ran && task->size && !shared->posted)
                memcpy(task->arg, plait__at(plait__region.head, shared->bytes), task->size);
        return shared->result;
}

void plait__job_told(unsigned job, struct plait__loop *loop)
{
        struct plait_task *task = claim_ended(job);
        struct plait__pool *pool;
        bool others_wait;
        int result;

        if (!task)
                return;
        result = fetch(job, task);
        lock();
        pool = posted_of(job)->pool;
        plait__port_count(plait__job(job)->port, -1);
        plait__pool_unlist(pool, job);
        plait__job_give(job);
        others_wait = pool->waiting_count > 0;
        pool->posters += others_wait;
        if (!others_wait)
                tell_closer(pool);
        unlock();
        task->strand.loop = loop;
        if (others_wait) {
                post_waiting(pool);
                lock();
                pool->posters--;
                tell_closer(pool);
                unlock();
        }
        plait__task_finish(task, result);
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
                shared->result = word & PLAIT__CONDEMNED ? posted_of(job)->kill_reason : -EOWNERDEAD;
                posted_of(job)->task->status = status;
                posted_of(job)->died = true;
                plait__store_release(&shared->word, (word & ~(PLAIT__IN_FN | PLAIT__CONDEMNED)) | PLAIT__DONE);
        }
        plait__port_tell(plait__region.head, plait__region.monitor_fd, job);
}

void plait__pool_recover(struct plait__pool *pool, unsigned slot, int status)
{
        struct plait__slot *shared = plait__slot_of(pool, slot);
        uint32_t spinning = slot + 1;
        unsigned job;

        for (job = pool->jobs; job != PLAIT__NO_JOB; job = posted_of(job)->next) {
                if (posted_of(job)->map)
                        plait__map_recover(job, slot, status);
                else if (posted_of(job)->task)
                        recover_task(pool, job, slot + 1, status);
        }
        atomic_compare_exchange_strong_explicit(&pool->board->spinning, &spinning, 0, memory_order_seq_cst, memory_order_relaxed);
        atomic_fetch_and_explicit(&pool->board->idle[slot / 64], ~((uint64_t)1 << slot % 64), memory_order_relaxed);
        memset(shared, 0, sizeof *shared);
}

void plait__pool_fail(struct plait__pool *pool, int result, int status)
{
        unsigned job;

        for (job = pool->jobs; job != PLAIT__NO_JOB; job = posted_of(job)->next) {
                if (posted_of(job)->map)
                        plait__map_fail(job, result, status);
                else if (posted_of(job)->task)
                        plait__job_revoke(job, result, status);
        }
}

/* ---- the executor */

static size_t processes_width(plait_executor *self)
{
        return self->workers;
}

static size_t own_width(plait_executor *self)
{
        (void)self;
        return 0;
}

static int processes_accept(plait_executor *self, plait_fn *fn, const void *arg, size_t size)
{
        (void)self;
        (void)fn;
        return arg && !size ? -EFAULT : 0;
}

/* Cut short: what runs is killed, what waits is cancelled. */
static void kill_all(struct plait__pool *pool)
{
        unsigned job;

        pool->killing = true;
        for (job = pool->jobs; job != PLAIT__NO_JOB; job = posted_of(job)->next)
                plait__job_kill(job, -ECANCELED);
}

static int processes_close(plait_executor *self)
{
        struct plait__pool *pool = (struct plait__pool *)self;
        struct plait__strand *strand = plait__loop_here->current;
        int rc = 0;

        if (pool->listed) {
                lock();
                pool->closer = strand;
                while (still_busy(pool) || !pool->gone) {
                        pool->closing = !still_busy(pool);
                        unlock();
                        if (pool->closing)
                                plait__monitor_kick();
                        if (rc == 0 && (rc = plait__check(strand)) < 0) {
                                lock();
                                kill_all(pool);
                                unlock();
                        }
                        plait__park(strand, PLAIT__ON_CLOSE, rc ? PLAIT_FOREVER : strand->deadline);
                        lock();
                }
                plait__arena_give(pool->board->initializer_arg);
                plait__arena_give((uint64_t)((char *)pool->board - (char *)plait__region.head));
                unlock();
        }
        plait__sys.free(pool->initializer_arg_size ? pool->initializer_arg : NULL);
        plait__sys.free(pool->workers);
        plait__sys.free(pool);
        return rc;
}

const struct plait__executor_class plait__processes_class = {
        .width = processes_width,
        .accept = processes_accept,
        .start = processes_start,
        .cancel = processes_cancel,
        .kill = processes_kill,
        .map = plait__pool_map,
        .close = processes_close,
};

const struct plait__executor_class plait__own_process_class = {
        .fresh = true,
        .width = own_width,
        .accept = processes_accept,
        .start = processes_start,
        .cancel = processes_cancel,
        .kill = processes_kill,
        .map = plait__pool_map,
};
