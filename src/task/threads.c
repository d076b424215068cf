/* A pool of threads. A task is the main line of its thread from its beginning to its end.
 *
 * `workers` bounds how many threads compute. A thread that computes holds a place; one whose loop goes to sleep inside a task
 * gives the place up, and a task that waits may then begin on an idle thread or a new one, up to threads_max. When it wakes it
 * goes on without waiting for a place, so for a while more than `workers` may compute; the next task then waits for one.
 *
 * A thread without work spins for a moment before it idles, one at a time; while one spins, a start needs to wake nobody, and a
 * spinner that takes one task of several wakes the next thread (as in Go's scheduler). One lock guards the queue, the idle
 * threads and the counts; it is held for a few instructions. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpus.h"
#include "base/panic.h"
#include "base/sys.h"
#include "core/strand.h"
#include "task/executor.h"
#include "task/group.h"

enum { THREADS_MAX = 1024, SPIN_NS = 5000 };

#define KEEP_IDLE (5 * PLAIT_S)                 /* a thread beyond `workers` ends after so long without work */

struct pool {
        struct plait_executor executor;
        plait__spin lock;
        struct plait__link queue;               /* tasks, by strand.wait */
        _Atomic unsigned queued;
        struct thread *idle;
        struct thread *threads;                 /* all */
        unsigned count, max;
        unsigned computing;                     /* places held */
        unsigned running;                       /* tasks begun and not ended */
        bool spinning;                          /* a thread looks for work without a place */
        _Atomic bool refused;                   /* the last thread that was asked for could not be had; relaxed */
        bool closing;
        bool cut;                               /* the close was cut short: what comes from behind a limit is cancelled */
        struct plait__strand *closer;
        plait_fn *initializer;
        void *initializer_arg;
        size_t initializer_arg_size;
};

struct thread {
        struct pool *pool;
        struct plait__loop *loop;
        struct thread *next_idle;
        struct thread *next, **back;            /* in pool->threads */
        struct plait_task *task;                /* that it runs */
        bool is_idle;
        int failed;                             /* the initializer's result */
};

static void *thread_main(void *arg);

/* ---- the queue; with the lock held */

static struct plait_task *pop_task(struct pool *pool)
{
        struct plait__link *link = plait__list_first(&pool->queue);
        struct plait__strand *strand;

        if (!link)
                return NULL;
        plait__list_remove(link);
        plait__store(&pool->queued, plait__load(&pool->queued) - 1);
        strand = plait__container(link, struct plait__strand, wait);
        strand->flags &= (uint8_t)~PLAIT__QUEUED;
        return plait__task_of(strand);
}

static void push_task(struct pool *pool, struct plait_task *task)
{
        task->strand.flags |= PLAIT__QUEUED;
        plait__list_append(&pool->queue, &task->strand.wait);
        plait__store(&pool->queued, plait__load(&pool->queued) + 1);
}

/* ---- more hands */

/* Who is to begin the task at the head of the queue. */
struct hand { struct thread *idle; bool fresh; };

/* With the lock held: finds a hand and gives it a place. */
static struct hand find_hand(struct pool *pool)
{
        struct hand hand = {NULL, false};

        if (plait__load(&pool->queued) == 0 || pool->computing >= pool->executor.workers || pool->spinning)
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
        }
        return hand;
}

/* With the lock free. A thread that cannot be made leaves its task to the others, if there are any. */
static int send_hand(struct pool *pool, struct hand hand)
{
        struct thread *thread;
        int rc = -ENOMEM;

        if (hand.idle)
                plait__unpark(&hand.idle->loop->main->strand);
        if (!hand.fresh)
                return 0;
        thread = plait__sys.alloc(sizeof *thread);
        if (thread) {
                thread->pool = pool;
                thread->loop = plait__loop_new(plait__loop_here);
                rc = thread->loop ? plait__sys.thread_start(thread_main, thread, pool->executor.stack_bytes) : -ENOMEM;
                if (rc == 0) {
                        plait__store(&pool->refused, false);
                        return 0;
                }
                if (thread->loop)
                        plait__loop_free(plait__loop_here, thread->loop);
                plait__sys.free(thread);
        }
        plait__spin_acquire(&pool->lock);
        pool->computing--;
        pool->count--;
        plait__store(&pool->refused, true);
        if (pool->threads)                      /* it asks again before it sleeps: see thread_blocks() */
                plait__unpark(&pool->threads->loop->main->strand);
        plait__spin_release(&pool->lock);
        return rc;
}

static size_t threads_width(plait_executor *self)
{
        return ((struct pool *)self)->max;
}

static int threads_start(plait_executor *self, struct plait_task *task)
{
        struct pool *pool = (struct pool *)self;
        struct hand hand;
        int rc;

        plait__spin_acquire(&pool->lock);
        if (pool->cut)
                plait__strand_cancel(&task->strand);
        push_task(pool, task);
        hand = find_hand(pool);
        plait__spin_release(&pool->lock);
        rc = send_hand(pool, hand);
        if (rc == 0)
                return 0;
        plait__spin_acquire(&pool->lock);       /* if there is no thread at all it is taken back, unless one came meanwhile */
        if (pool->count == 0 && task->strand.flags & PLAIT__QUEUED) {
                plait__list_remove(&task->strand.wait);
                task->strand.flags &= (uint8_t)~PLAIT__QUEUED;
                plait__store(&pool->queued, plait__load(&pool->queued) - 1);
        } else {
                rc = 0;
        }
        plait__spin_release(&pool->lock);
        return rc;
}

static void threads_cancel(plait_executor *self, struct plait_task *task)
{
        (void)self;
        (void)task;                             /* it was woken already (cancel.c) */
}

/* The first queued task of the group. `full`: only when nobody can be found to run it. */
static struct plait_task *threads_take_back(plait_executor *self, plait_group *group, bool full)
{
        struct pool *pool = (struct pool *)self;
        struct plait__link *link;
        struct plait_task *task = NULL;

        plait__spin_acquire(&pool->lock);
        if (plait__load(&pool->queued) && (!full || ((pool->count >= pool->max || plait__load(&pool->refused)) && !pool->idle && !pool->spinning))) {
                for (link = pool->queue.next; link != &pool->queue; link = link->next) {
                        task = plait__task_of(plait__container(link, struct plait__strand, wait));
                        if (task->group == group)
                                break;
                        task = NULL;
                }
        }
        if (task) {
                plait__list_remove(&task->strand.wait);
                task->strand.flags &= (uint8_t)~PLAIT__QUEUED;
                plait__store(&pool->queued, plait__load(&pool->queued) - 1);
        }
        plait__spin_release(&pool->lock);
        return task;
}

/* ---- a thread of the pool */

/* The loop of a thread goes to sleep, or has slept; inside a task that is a place given up, and taken again. */
static bool thread_blocks(struct plait__loop *loop, bool blocked)
{
        struct thread *thread = loop->owner;
        struct pool *pool = thread->pool;
        struct hand hand = {NULL, false};

        if (!thread->task)
                return true;
        plait__spin_acquire(&pool->lock);
        if (blocked) {
                pool->computing--;
                hand = find_hand(pool);
        } else {
                pool->computing++;
        }
        plait__spin_release(&pool->lock);
        if (send_hand(pool, hand) == 0)
                return true;
        plait__unpark(loop->line);              /* it may wait for what is queued, and runs that itself */
        return false;
}

/* Looks for work a little longer before idling; true: there may be some. The thread has no place meanwhile. */
static bool spin_for_work(struct pool *pool)
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
                        found = plait__load(&pool->queued) > 0;
                }
        } while (!found && plait__clock_now() < end);
        plait__spin_acquire(&pool->lock);
        pool->spinning = false;
        found = plait__load(&pool->queued) > 0 && pool->computing < pool->executor.workers;
        if (found)
                pool->computing++;
        plait__spin_release(&pool->lock);
        return found;
}

/* Without a place and without work. Returns true with a place, false: the thread shall end. */
static bool idle(struct thread *thread)
{
        struct pool *pool = thread->pool;
        plait_time end = plait__clock_after(plait__loop_now(thread->loop), KEEP_IDLE);
        bool leave = false, woken;

        if (spin_for_work(pool))
                return true;
        plait__spin_acquire(&pool->lock);
        if (plait__load(&pool->queued) > 0 && pool->computing < pool->executor.workers) {
                pool->computing++;
                plait__spin_release(&pool->lock);
                return true;
        }
        thread->is_idle = true;
        thread->next_idle = pool->idle;
        pool->idle = thread;
        do {
                leave = pool->closing;
                plait__spin_release(&pool->lock);
                if (!leave)
                        plait__park(thread->loop->current, PLAIT__ON_WORK, end);
                plait__spin_acquire(&pool->lock);
                woken = !thread->is_idle;
                leave = pool->closing || (pool->count > pool->executor.workers && plait__loop_now(thread->loop) >= end);
        } while (!woken && !leave);
        if (!woken) {
                struct thread **link = &pool->idle;

                while (*link != thread)
                        link = &(*link)->next_idle;
                *link = thread->next_idle;
                thread->is_idle = false;
        }
        plait__spin_release(&pool->lock);
        return woken;
}

/* With a place held: the next task, or NULL and the place is given up. Others may be needed for what is left. */
static struct plait_task *next_task(struct thread *thread)
{
        struct pool *pool = thread->pool;
        struct hand hand = {NULL, false};
        struct plait_task *task = NULL;

        plait__spin_acquire(&pool->lock);
        if (thread->task) {
                thread->task = NULL;
                pool->running--;
        }
        if (pool->computing <= pool->executor.workers)
                task = pop_task(pool);
        if (task) {
                thread->task = task;
                pool->running++;
                hand = find_hand(pool);
        } else {
                pool->computing--;
        }
        if (pool->closer && pool->running == 0)
                plait__unpark(pool->closer);
        plait__spin_release(&pool->lock);
        send_hand(pool, hand);
        return task;
}

static int threads_initialize(plait_executor *self)
{
        const struct pool *pool = (struct pool *)self;
        void *copy = pool->initializer_arg;
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
        if (pool->initializer_arg_size)
                plait__sys.free(copy);
        return rc < 0 ? rc : 0;
}

static void thread_begin(struct thread *thread, struct plait__loop *loop)
{
        struct pool *pool = thread->pool;

        loop->owner = thread;
        loop->blocks = thread_blocks;
        thread->failed = threads_initialize(&pool->executor);
        loop->gil = pool->executor.gil;
        plait__spin_acquire(&pool->lock);
        thread->next = pool->threads;
        thread->back = &pool->threads;
        if (thread->next)
                thread->next->back = &thread->next;
        pool->threads = thread;
        plait__spin_release(&pool->lock);
}

static void thread_end(struct thread *thread)
{
        struct pool *pool = thread->pool;

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

static void run(struct thread *thread, struct plait_task *task)
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
        struct thread *thread = arg;
        struct plait_task *task;

        plait__loop_adopt(thread->loop);
        thread_begin(thread, thread->loop);
        do {
                while ((task = next_task(thread)))
                        run(thread, task);
        } while (idle(thread));
        thread_end(thread);
        return NULL;
}

/* ---- the executor */

static void wake_idle(struct pool *pool)
{
        struct thread *thread;

        for (thread = pool->idle; thread; thread = thread->next_idle)
                plait__unpark(&thread->loop->main->strand);
}

/* Cut short, it cancels what runs and what waits, and goes on waiting. */
static void cancel_all(struct pool *pool)
{
        struct plait__link *link;
        struct thread *thread;
        struct plait_task *task;

        plait__spin_acquire(&pool->lock);
        pool->cut = true;
        for (link = pool->queue.next; link && link != &pool->queue; link = link->next) {
                task = plait__task_of(plait__container(link, struct plait__strand, wait));
                plait__strand_cancel(&task->strand);
        }
        for (thread = pool->threads; thread; thread = thread->next) {
                struct plait__strand *main = &thread->loop->main->strand;

                /* the task may be ending: its own thread passes this on to it (cancel.c) */
                plait__strand_cancel(main);
                atomic_fetch_or_explicit(&main->cancelled, PLAIT__SPREAD, memory_order_relaxed);
                plait__unpark(main);
        }
        plait__spin_release(&pool->lock);
}

static bool still_busy(struct pool *pool)
{
        return pool->running || plait__load(&pool->queued);
}

static int threads_close(plait_executor *self)
{
        struct pool *pool = (struct pool *)self;
        struct plait__strand *strand = plait__loop_here->current;
        struct thread *mine = plait__loop_here->owner;
        int rc = 0;

        if (mine && mine->pool == pool)
                plait__panic("plait_executor_close", "called by a task that runs in the executor");
        plait__spin_acquire(&pool->lock);
        pool->closer = strand;
        while (still_busy(pool) || pool->count) {
                pool->closing = !still_busy(pool);
                if (pool->closing)
                        wake_idle(pool);
                plait__spin_release(&pool->lock);
                if (rc == 0 && (rc = plait__check(strand)) < 0)
                        cancel_all(pool);
                plait__park(strand, PLAIT__ON_CLOSE, rc ? PLAIT_FOREVER : strand->deadline);
                plait__spin_acquire(&pool->lock);
        }
        plait__spin_release(&pool->lock);
        plait__sys.free(pool->initializer_arg_size ? pool->initializer_arg : NULL);
        plait__sys.free(pool);
        return rc;
}

static const struct plait__executor_class class = {
        .width = threads_width,
        .start = threads_start,
        .cancel = threads_cancel,
        .take_back = threads_take_back,
        .initialize = threads_initialize,
        .close = threads_close,
};

int plait__threads_open(plait_executor **ret, const plait_executor_options *options)
{
        struct pool *pool = plait__sys.alloc(sizeof *pool);

        if (!pool)
                return -ENOMEM;
        pool->executor = (struct plait_executor){.class = &class, .name = options->name, .stack_bytes = options->stack_bytes};
        pool->executor.workers = options->workers ? options->workers : plait__cpus();
        pool->max = options->threads_max ? options->threads_max : THREADS_MAX;
        if (pool->max < pool->executor.workers)
                pool->max = pool->executor.workers;
        pool->executor.gil = options->gil;
        pool->initializer = options->initializer;
        pool->initializer_arg = options->initializer_arg;
        pool->initializer_arg_size = options->initializer_arg_size;
        if (pool->initializer_arg_size) {
                pool->initializer_arg = plait__sys.alloc(pool->initializer_arg_size);
                if (!pool->initializer_arg) {
                        plait__sys.free(pool);
                        return -ENOMEM;
                }
                memcpy(pool->initializer_arg, options->initializer_arg, pool->initializer_arg_size);
        }
        *ret = &pool->executor;
        return 0;
}

static struct pool shared = {
        .executor = {.class = &class, .name = "threads", .constant = true},
        .max = THREADS_MAX,
};

static void shared_width(void)
{
        shared.executor.workers = plait__cpus();
        if (shared.max < shared.executor.workers)
                shared.max = shared.executor.workers;
}

plait_executor *plait_threads(void)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;

        pthread_once(&once, shared_width);
        return &shared.executor;
}
