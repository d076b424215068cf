/* Tasks for worker processes. A task becomes a job: its bytes are copied into the region, its number is put on the board's ring,
 * and a worker claims it by the job's word. While it is away its state says so; whoever hears of its end (port.c) copies the bytes
 * back and finishes it, or, if its worker died and it may be run again, posts it anew. A task for which there is no job record
 * waits in its pool's list.
 *
 * Locks: a group's, then the region's. Nothing is called with the region's lock held but plait__unpark(). */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/sys.h"
#include "core/strand.h"
#include "process/function.h"
#include "process/monitor.h"
#include "process/pool.h"
#include "process/port.h"
#include "task/group.h"

/* With the region locked: no room for one more, though the entries at the head that are no longer open were passed: no worker
 * might look at them any more. */
static bool ring_full(const struct plait__pool *pool)
{
        struct plait__board *board = pool->board;
        uint64_t head, entry;

        while (plait__pool_open_tasks(pool) >= PLAIT__RING) {
                head = plait__load(&board->head);
                entry = plait__load(&board->ring[head % PLAIT__RING]);
                if (plait__load(&plait__job((uint32_t)entry % PLAIT__JOBS)->word) == plait__claim_open((uint16_t)(entry >> 32), 0))
                        return true;
                atomic_compare_exchange_strong_explicit(&board->head, &head, head + 1, memory_order_relaxed, memory_order_relaxed);
        }
        return false;
}

/* ---- posting */

/* The job's bytes: in the job itself, or in the arena. */
static int copy_in(unsigned job, const struct plait_task *task)
{
        struct plait__job *shared = plait__job(job);
        uint64_t at = (uint64_t)((char *)shared->inline_bytes - (char *)plait__region.head);

        if (task->size > PLAIT__JOB_BYTES) {
                plait__region_lock();
                at = plait__posted(job)->block = plait__arena_take(task->size);
                plait__region_unlock();
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

/* What is left of the task's own time once it has begun counts among the deadlines around it: for a second run, too. */
static plait_time own_time(const struct plait_task *task)
{
        return task->extra && !task->extra->deadline ? task->extra->within : 0;
}

static void describe(unsigned job, const struct plait_task *task, const struct plait__function *function, unsigned port)
{
        struct plait__job *shared = plait__job(job);
        struct plait__posted *posted = plait__posted(job);
        plait_time kill_after = kill_after_of(task);
        const char *name = plait_task_name(task);

        shared->function = *function;
        shared->deadline = task->strand.deadline;
        shared->within = own_time(task);
        shared->not_before = task->extra ? task->extra->not_before : 0;
        plait__store(&shared->own_deadline, 0);
        shared->port = port;
        shared->posted = (task->strand.flags & PLAIT__POSTED) != 0;
        shared->is_map = 0;
        shared->result = 0;
        plait__store(&shared->pid, 0);
        shared->name[0] = 0;
        if (*name)
                strncpy(shared->name, name, sizeof shared->name - 1);
        plait__store(&plait__group_scope(&shared->group)->cancelled, PLAIT__CANCEL_NONE);
        if (kill_after > 0 && shared->deadline != PLAIT_FOREVER) {
                posted->kill_at = plait__clock_after(shared->deadline, kill_after);
                posted->kill_reason = -ETIMEDOUT;
        }
        if (kill_after > 0 && shared->within > 0)
                posted->own_kill_after = kill_after;
}

/* With the region locked: cancels a job that is posted. */
static void cancel_job(struct plait_task *task, unsigned job, int state)
{
        struct plait__job *shared = plait__job(job);
        struct plait__posted *posted = plait__posted(job);
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
        if (kick || plait__posted(job)->kill_at != PLAIT_FOREVER || plait__posted(job)->own_kill_after)
                plait__monitor_kick();
}

/* Without the lock: the task gets the job that was taken for it, and goes. */
static int post(struct plait__pool *pool, struct plait_task *task, unsigned job)
{
        struct plait__function function;
        unsigned port = plait__port_for(task->group);
        int rc, state;

        plait__region_lock();
        rc = plait__function_find(plait__region.head, task->fn, &function);
        plait__region_unlock();
        if (rc == 0)
                rc = copy_in(job, task);
        if (rc < 0) {
                plait__region_lock();
                plait__job_give(job);
                plait__region_unlock();
                return rc;
        }
        describe(job, task, &function, port);
        plait__region_lock();
        state = pool->killing ? -ECANCELED : state_of(task);    /* what came before we took the lock found no job */
        if (plait__unlikely(state < 0) && (pool->killing || !(task->strand.flags & PLAIT__POSTED))) {
                plait__job_give(job);
                plait__region_unlock();
                return state;
        }
        plait__posted(job)->task = task;
        task->strand.object = &plait__region.posted[job];
        plait__port_count(port, 1);
        offer_and_wake(pool, job);
        if (plait__unlikely(state < 0))
                cancel_job(task, job, state);
        plait__region_unlock();                               /* from here on the task may have ended */
        return 0;
}

/* The task is to have a job; it waits if none is free. 0, or why it cannot go. */
static int post_or_wait(struct plait__pool *pool, struct plait_task *task)
{
        int job;

        plait__region_lock();
        job = plait__list_empty(&pool->waiting) && !ring_full(pool) ? plait__job_take(pool) : -1;
        if (job < 0) {
                plait__list_append(&pool->waiting, &task->strand.wait);
                pool->waiting_count++;
                plait__region.waiting++;
        }
        plait__region_unlock();
        return job < 0 ? 0 : post(pool, task, (unsigned)job);
}

/* So that a cancel either sees it away, or is seen by us. */
static void send_away(struct plait_task *task)
{
        struct plait__group *group = plait__group_of(task->group);

        task->strand.object = NULL;
        plait__group_lock(group);
        plait__store_release(&task->strand.state, PLAIT__AWAY);        /* its extra part, for plait_task_pid() */
        plait__group_unlock(group);
        plait__scope_begin_task(&task->strand);
}

static int processes_start(plait_executor *self, struct plait_task *task)
{
        struct plait__pool *pool = (struct plait__pool *)self;
        int rc = plait__pool_need(pool);

        if (rc < 0)
                return rc;
        task->strand.loop = plait__loop_here;
        if (!plait__record_extra(task))         /* for the pid: nothing is to fail later */
                return -ENOMEM;
        send_away(task);
        rc = task->strand.flags & PLAIT__POSTED ? 0 : state_of(task);
        return rc < 0 ? rc : post_or_wait(pool, task);
}

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

/* A task that waited for a job, when one is free. Finishes it if that fails. */
static void post_waiting(struct plait__pool *pool)
{
        struct plait__link *link;
        struct plait_task *task;
        int job = -1, rc;
        bool killing;

        for (;;) {
                plait__region_lock();
                killing = pool->killing;
                link = ring_full(pool) ? NULL : plait__list_first(&pool->waiting);
                job = link ? plait__job_take(pool) : -1;
                if (job >= 0) {
                        plait__list_remove(link);
                        pool->waiting_count--;
                        plait__region.waiting--;
                }
                plait__region_unlock();
                if (job < 0)
                        return;
                task = plait__task_of(plait__container(link, struct plait__strand, wait));
                rc = killing ? -ECANCELED : task->strand.flags & PLAIT__POSTED ? 0 : state_of(task);
                if (rc == 0)
                        rc = post(pool, task, (unsigned)job);
                if (rc < 0)
                        plait__task_finish_here(task, rc);
        }
}

/* With the region locked: a record or room is free, and this pool's tasks do not want it; the monitor gives it to those that do. */
static void help_others(const struct plait__pool *pool)
{
        if (plait__region.waiting > pool->waiting_count)
                plait__monitor_kick();
}

void plait__pool_feed(struct plait__pool *pool)
{
        bool posts;

        plait__region_lock();
        posts = pool->waiting_count > 0;
        pool->posters += posts;
        plait__region_unlock();
        if (!posts)
                return;
        post_waiting(pool);
        plait__region_lock();
        pool->posters--;
        tell_closer(pool);
        plait__region_unlock();
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
        plait__region_lock();
        posted = posted_for(task);              /* NULL: who posts it will see the cancel */
        if (posted)
                cancel_job(task, (unsigned)(posted - plait__region.posted), state);
        plait__region_unlock();
}

static int processes_kill(plait_executor *self, struct plait_task *task)
{
        struct plait__posted *posted;

        (void)self;
        plait__region_lock();
        posted = posted_for(task);
        if (posted)
                plait__job_kill((unsigned)(posted - plait__region.posted), -ECANCELED);
        plait__region_unlock();
        return 0;
}

static pid_t processes_pid(plait_executor *self, const struct plait_task *task)
{
        struct plait__posted *posted;
        pid_t pid;

        (void)self;
        plait__region_lock();
        posted = posted_for(task);              /* NULL: it waits for a job, or has just ended: see claim_ended() */
        pid = posted ? (pid_t)plait__load(&plait__job((unsigned)(posted - plait__region.posted))->pid) : task->extra->pid;
        plait__region_unlock();
        return pid;
}

/* ---- ends */

/* The task that has ended in this job, which is nobody else's to finish from here on; NULL: there is none. */
static struct plait_task *claim_ended(unsigned job)
{
        struct plait__posted *posted = plait__posted(job);
        struct plait_task *task = NULL;

        plait__region_lock();
        if (posted->map) {
                plait__map_told(job);
        } else if (posted->task && (plait__load_acquire(&plait__job(job)->word) & PLAIT__DONE)) {
                task = posted->task;
                posted->task = NULL;            /* told twice: once is enough */
                task->extra->pid = (pid_t)plait__load(&plait__job(job)->pid);
        }
        plait__region_unlock();
        return task;
}

/* What became of the task's own time when it began; whoever cancels it looks at it with the group locked. */
static void set_own_deadline(struct plait_task *task, plait_time deadline)
{
        struct plait__group *group = plait__group_of(task->group);

        plait__group_lock(group);
        task->extra->deadline = deadline;
        plait__scope_begin_task(&task->strand);
        plait__group_unlock(group);
}

/* Takes what the worker has left. */
static int fetch(unsigned job, struct plait_task *task)
{
        const struct plait__job *shared = plait__job(job);
        bool ran = plait__claim_owner(plait__load(&shared->word)) != PLAIT__OWNER_PARENT && !plait__posted(job)->died;

        if (plait__load(&shared->own_deadline))
                set_own_deadline(task, plait__load(&shared->own_deadline));
        if (ran && task->size && !shared->posted)
                memcpy(task->arg, plait__at(plait__region.head, shared->bytes), task->size);
        return shared->result;
}

/* Whether its worker has died by itself in the task, and it may be run again. */
static bool may_run_again(unsigned job, struct plait_task *task)
{
        return plait__posted(job)->died && plait__job(job)->result == -EOWNERDEAD && task->extra->retries && state_of(task) == 0;
}

/* False: it did not go, and has ended after all. */
static bool run_again(struct plait__pool *pool, struct plait_task *task)
{
        int status = task->status;

        task->extra->retries--;
        task->status = 0;
        if (post_or_wait(pool, task) == 0)
                return true;
        task->status = status;
        return false;
}

void plait__job_told(unsigned job, struct plait__loop *loop)
{
        struct plait_task *task = claim_ended(job);
        struct plait__pool *pool;
        bool again, posts;
        int result;

        if (!task)
                return;
        result = fetch(job, task);
        again = may_run_again(job, task);
        plait__region_lock();
        pool = plait__posted(job)->pool;
        plait__port_count(plait__job(job)->port, -1);
        plait__pool_unlist(pool, job);
        plait__job_give(job);
        posts = again || pool->waiting_count > 0;
        pool->posters += posts;
        help_others(pool);
        if (!posts)
                tell_closer(pool);
        plait__region_unlock();
        task->strand.loop = loop;
        if (again)
                again = run_again(pool, task);
        if (posts) {
                post_waiting(pool);
                plait__region_lock();
                pool->posters--;
                tell_closer(pool);
                plait__region_unlock();
        }
        if (!again)
                plait__task_finish(task, result);
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

static int processes_accept(plait_executor *self, plait_fn *fn, const void *arg, size_t size, bool posted)
{
        struct plait__function function;
        int rc;

        if (arg && !size)
                return -EFAULT;
        if (!posted)
                return 0;
        rc = plait__pool_need((struct plait__pool *)self);
        if (rc < 0)
                return rc;
        plait__region_lock();
        rc = plait__function_find(plait__region.head, fn, &function);
        plait__region_unlock();
        return rc;
}

/* Cut short: what runs is killed, what waits is cancelled. */
static void kill_all(struct plait__pool *pool)
{
        unsigned job;

        pool->killing = true;
        for (job = pool->jobs; job != PLAIT__NO_JOB; job = plait__posted(job)->next)
                plait__job_kill(job, -ECANCELED);
}

static int processes_close(plait_executor *self)
{
        struct plait__pool *pool = (struct plait__pool *)self;
        struct plait__strand *strand = plait__loop_here->current;
        int rc = 0;

        if (pool->listed) {
                plait__region_lock();
                pool->closer = strand;
                while (still_busy(pool) || !pool->gone) {
                        pool->closing = !still_busy(pool);
                        plait__region_unlock();
                        if (pool->closing)
                                plait__monitor_kick();
                        if (rc == 0 && (rc = plait__check(strand)) < 0) {
                                plait__region_lock();
                                kill_all(pool);
                                plait__region_unlock();
                        }
                        plait__park(strand, PLAIT__ON_CLOSE, rc ? PLAIT_FOREVER : strand->deadline);
                        plait__region_lock();
                }
                plait__arena_give(pool->board->initializer_arg);
                plait__arena_give((uint64_t)((char *)pool->board - (char *)plait__region.head));
                plait__region_unlock();
        }
        plait__sys.free(pool->initializer_arg_size ? pool->initializer_arg : NULL);
        plait__sys.free(pool->workers);
        plait__sys.free(pool);
        return rc;
}

/* In this process: workers have the initializer from the board (worker.c). */
static int processes_initialize(plait_executor *self)
{
        const struct plait__pool *pool = (struct plait__pool *)self;
        void *copy = NULL;
        int rc;

        if (!pool->initializer)
                return 0;
        if (pool->initializer_arg_size) {
                copy = plait__sys.alloc(pool->initializer_arg_size);
                if (!copy)
                        return -ENOMEM;
                memcpy(copy, pool->initializer_arg, pool->initializer_arg_size);
        }
        rc = pool->initializer(copy);
        plait__sys.free(copy);
        return rc < 0 ? rc : 0;
}

const struct plait__executor_class plait__processes_class = {
        .width = processes_width,
        .accept = processes_accept,
        .start = processes_start,
        .cancel = processes_cancel,
        .kill = processes_kill,
        .pid = processes_pid,
        .initialize = processes_initialize,
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
        .pid = processes_pid,
        .map = plait__pool_map,
};
