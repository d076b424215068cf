/* A thread of a pool, from its start to its end: it takes tasks as long as there are any and it has a place, spins for a moment,
 * idles, and ends when it has idled for long and is one too many. */
#include <errno.h>

#include "base/clock.h"
#include "base/cpus.h"
#include "base/sys.h"
#include "core/strand.h"
#include "task/group.h"
#include "task/threads.h"

enum { SPIN_NS = 5000 };

#define KEEP_IDLE (5 * PLAIT_S)                 /* a thread beyond `workers` ends after so long without work */

static void *thread_main(void *arg);

/* ---- more hands */

bool plait__threads_are_stuck(const struct plait__threads *pool)
{
        return plait__backlog_count(&pool->backlog) > 0 && (pool->count >= pool->max || plait__load(&pool->refused)) && !pool->idle &&
               !pool->spinning;
}

void plait__threads_wake(struct plait__threads *pool, enum plait__watch_for what)
{
        struct plait__strand *strand;

        for (strand = pool->watchers[what]; strand; strand = strand->slot)
                plait__unpark(strand);
}

/* Once for each state of the backlog: who finds nothing of its own in it sleeps again. */
static void tell_stuck(struct plait__threads *pool)
{
        if (pool->told_stuck || !plait__threads_are_stuck(pool))
                return;
        pool->told_stuck = true;
        plait__threads_wake(pool, PLAIT__WATCH_STUCK);
}

struct plait__hand plait__hand_find(struct plait__threads *pool)
{
        struct plait__hand hand = {NULL, false};

        if (plait__backlog_count(&pool->backlog) == 0 || pool->computing >= pool->executor.workers || pool->spinning)
                return hand;
        if (pool->idle) {
                hand.idle = pool->idle;
                pool->idle = hand.idle->next_idle;
                hand.idle->is_idle = false;
                pool->computing++;
        } else if (pool->count < pool->max) {
                hand.fresh = true;
                pool->count++;
                pool->computing++;
        } else {
                tell_stuck(pool);
        }
        return hand;
}

static int thread_start(struct plait__threads *pool)
{
        struct plait__thread *thread = plait__sys.alloc(sizeof *thread);
        int rc = -ENOMEM;

        if (!thread)
                return rc;
        thread->pool = pool;
        thread->loop = plait__loop_new(plait__loop_here);
        if (thread->loop)
                rc = plait__sys.thread_start(thread_main, thread, pool->executor.stack_bytes);
        if (rc == 0)
                return 0;
        if (thread->loop)
                plait__loop_free(plait__loop_here, thread->loop);
        plait__sys.free(thread);
        return rc;
}

int plait__hand_send(struct plait__threads *pool, struct plait__hand hand)
{
        int rc;

        if (hand.idle)
                plait__unpark(&hand.idle->loop->main->strand);
        if (!hand.fresh)
                return 0;
        rc = thread_start(pool);
        if (rc == 0) {
                plait__store(&pool->refused, false);
                return 0;
        }
        plait__spin_acquire(&pool->lock);
        pool->computing--;
        pool->count--;
        plait__store(&pool->refused, true);
        if (pool->threads)                      /* it asks again before it sleeps: see blocks() */
                plait__unpark(&pool->threads->loop->main->strand);
        tell_stuck(pool);
        plait__spin_release(&pool->lock);
        return rc;
}

/* With the lock held. */
static void give_place_up(struct plait__threads *pool)
{
        pool->computing--;
        if (plait__unlikely(pool->watchers[PLAIT__WATCH_ROOM] != NULL) && plait__backlog_count(&pool->backlog) == 0)
                plait__threads_wake(pool, PLAIT__WATCH_ROOM);
}

/* The loop of a thread goes to sleep, or has slept; inside a task that is a place given up, and taken again. */
static bool blocks(struct plait__loop *loop, bool blocked)
{
        struct plait__thread *thread = loop->owner;
        struct plait__threads *pool = thread->pool;
        struct plait__hand hand = {NULL, false};

        if (!thread->task)
                return true;
        plait__spin_acquire(&pool->lock);
        if (blocked) {
                give_place_up(pool);
                hand = plait__hand_find(pool);
        } else {
                pool->computing++;
        }
        plait__spin_release(&pool->lock);
        if (plait__hand_send(pool, hand) == 0)
                return true;
        plait__unpark(loop->line);              /* it may wait for what is queued, and runs that itself */
        return false;
}

/* ---- without work */

/* Looks for work a little longer before idling; true: there may be some. The thread has no place meanwhile. */
static bool spin_for_work(struct plait__threads *pool)
{
        plait_time end;
        bool found = false;

        plait__spin_acquire(&pool->lock);
        if (pool->spinning || pool->closing || plait__cpus() < 2) {
                plait__spin_release(&pool->lock);
                return false;
        }
        pool->spinning = true;
        plait__spin_release(&pool->lock);
        end = plait__clock_now() + SPIN_NS;
        do {
                for (int i = 0; i < 16 && !found; i++) {
                        plait__pause();
                        found = plait__backlog_count(&pool->backlog) > 0;
                }
        } while (!found && plait__clock_now() < end);
        plait__spin_acquire(&pool->lock);
        pool->spinning = false;
        found = plait__backlog_count(&pool->backlog) > 0 && pool->computing < pool->executor.workers;
        if (found)
                pool->computing++;
        plait__spin_release(&pool->lock);
        return found;
}

/* With the lock held, in the list of idle threads: until it is woken (then it is in the list no more) or is to end. */
static void park_idle(struct plait__thread *thread)
{
        struct plait__threads *pool = thread->pool;
        plait_time end = plait__clock_after(plait__loop_now(thread->loop), KEEP_IDLE);
        bool leave = pool->closing;

        while (thread->is_idle && !leave) {
                plait__spin_release(&pool->lock);
                plait__park(thread->loop->current, PLAIT__ON_WORK, end);
                plait__spin_acquire(&pool->lock);
                leave = pool->closing;
                if (plait__loop_now(thread->loop) >= end) {
                        leave |= pool->count > pool->executor.workers;
                        end = PLAIT_FOREVER;    /* it stays: a moment that is over would not let it sleep */
                }
        }
}

/* Without a place and without work. Returns true with a place, false: the thread shall end. */
static bool idle(struct plait__thread *thread)
{
        struct plait__threads *pool = thread->pool;
        struct plait__thread **link;
        bool woken;

        if (spin_for_work(pool))
                return true;
        plait__spin_acquire(&pool->lock);
        if (plait__backlog_count(&pool->backlog) > 0 && pool->computing < pool->executor.workers) {
                pool->computing++;
                plait__spin_release(&pool->lock);
                return true;
        }
        thread->is_idle = true;
        thread->next_idle = pool->idle;
        pool->idle = thread;
        park_idle(thread);
        woken = !thread->is_idle;
        if (!woken) {
                for (link = &pool->idle; *link != thread; link = &(*link)->next_idle)
                        ;
                *link = thread->next_idle;
                thread->is_idle = false;
        }
        plait__spin_release(&pool->lock);
        return woken;
}

/* ---- its life */

/* With a place held: the next task, or NULL and the place is given up. Others may be needed for what is left. */
static struct plait_task *next_task(struct plait__thread *thread)
{
        struct plait__threads *pool = thread->pool;
        struct plait__hand hand = {NULL, false};

        plait__spin_acquire(&pool->lock);
        thread->task = pool->computing <= pool->executor.workers ? plait__backlog_pop(&pool->backlog) : NULL;
        if (thread->task) {
                pool->told_stuck = false;
                hand = plait__hand_find(pool);
        } else {
                give_place_up(pool);
        }
        plait__spin_release(&pool->lock);
        plait__hand_send(pool, hand);
        return thread->task;
}

static void begin(struct plait__thread *thread)
{
        struct plait__threads *pool = thread->pool;

        plait__loop_adopt(thread->loop);
        thread->loop->owner = thread;
        thread->loop->blocks = blocks;
        thread->failed = plait__initializer_run(&pool->initializer);
        thread->loop->gil = pool->executor.gil;
        plait__spin_acquire(&pool->lock);
        thread->next = pool->threads;
        thread->back = &pool->threads;
        if (thread->next)
                thread->next->back = &thread->next;
        pool->threads = thread;
        plait__spin_release(&pool->lock);
}

static void end(struct plait__thread *thread)
{
        struct plait__threads *pool = thread->pool;

        thread->loop->owner = NULL;
        thread->loop->blocks = NULL;
        thread->loop->gil = NULL;
        plait__loop_end(thread->loop);
        plait__spin_acquire(&pool->lock);
        *thread->back = thread->next;
        if (thread->next)
                thread->next->back = thread->back;
        plait__sys.free(thread);
        pool->count--;
        if (pool->closer)
                plait__unpark(pool->closer);
        plait__spin_release(&pool->lock);
}

static void run(struct plait__thread *thread, struct plait_task *task)
{
        if (thread->failed < 0 && !(task->strand.flags & PLAIT__POSTED)) {
                task->strand.loop = thread->loop;
                plait__task_finish(task, thread->failed);
        } else {
                plait__task_on_line(thread->loop, task);
        }
}

static void *thread_main(void *arg)
{
        struct plait__thread *thread = arg;
        struct plait_task *task;

        begin(thread);
        do {
                while ((task = next_task(thread)))
                        run(thread, task);
        } while (idle(thread));
        end(thread);
        return NULL;
}
