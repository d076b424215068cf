/* A pool of threads. A task is the main line of its thread from its beginning to its end.
 *
 * `workers` bounds how many threads compute. A thread that computes holds a place; one whose loop goes to sleep inside a task
 * gives the place up, and a task that waits may then begin on an idle thread or a new one, up to threads_max. When it wakes it
 * goes on without waiting for a place, so for a while more than `workers` may compute; the next task then waits for one. When all
 * threads there may be are in tasks that wait, those who wait for groups of the pool run tasks themselves (task/wait.c).
 *
 * A thread without work spins for a moment before it idles, one at a time; while one spins, a start needs to wake nobody, and a
 * spinner that takes one task of several wakes the next thread (as in Go's scheduler). One lock guards the backlog, the idle
 * threads and the counts; it is held for a few instructions. */
#include <errno.h>
#include <pthread.h>

#include "base/cpus.h"
#include "base/sys.h"
#include "core/strand.h"
#include "task/group.h"
#include "task/threads.h"

enum { THREADS_MAX = 1024 };

static size_t threads_width(plait_executor *self)
{
        return ((struct plait__threads *)self)->max;
}

static int threads_start(plait_executor *self, struct plait_task *task)
{
        struct plait__threads *pool = (struct plait__threads *)self;
        struct plait__hand hand;
        int rc;

        plait__spin_acquire(&pool->lock);
        if (pool->cut)
                plait__strand_cancel(&task->strand);
        plait__backlog_push(&pool->backlog, task);
        pool->told_stuck = false;
        hand = plait__hand_find(pool);
        plait__spin_release(&pool->lock);
        rc = plait__hand_send(pool, hand);
        if (rc == 0)
                return 0;
        plait__spin_acquire(&pool->lock);       /* if there is no thread at all it is taken back, unless one came meanwhile */
        if (pool->count == 0 && task->strand.flags & PLAIT__QUEUED)
                plait__backlog_remove(&pool->backlog, task);
        else
                rc = 0;
        plait__spin_release(&pool->lock);
        return rc;
}

static void threads_cancel(plait_executor *self, struct plait_task *task)
{
        (void)self;
        (void)task;                             /* it was woken already (cancel.c) */
}

/* ---- those who wait */

static struct plait_task *threads_take_back(plait_executor *self, plait_group *group, bool full)
{
        struct plait__threads *pool = (struct plait__threads *)self;
        struct plait_task *task = NULL;

        plait__spin_acquire(&pool->lock);
        if (!full || plait__threads_are_stuck(pool))
                task = plait__backlog_pop_of(&pool->backlog, group);
        plait__spin_release(&pool->lock);
        return task;
}

static void threads_watch(plait_executor *self, struct plait__strand *strand, enum plait__watch_for what)
{
        struct plait__threads *pool = (struct plait__threads *)self;

        plait__spin_acquire(&pool->lock);
        strand->slot = pool->watchers[what];
        pool->watchers[what] = strand;
        plait__spin_release(&pool->lock);
}

static void threads_unwatch(plait_executor *self, struct plait__strand *strand, enum plait__watch_for what)
{
        struct plait__threads *pool = (struct plait__threads *)self;
        struct plait__strand *before;

        plait__spin_acquire(&pool->lock);
        if (pool->watchers[what] == strand) {
                pool->watchers[what] = strand->slot;
        } else {
                for (before = pool->watchers[what]; before->slot != strand; before = before->slot)
                        ;
                before->slot = strand->slot;
        }
        if (pool->closer)
                plait__unpark(pool->closer);
        plait__spin_release(&pool->lock);
}

static bool threads_has_room(plait_executor *self)
{
        struct plait__threads *pool = (struct plait__threads *)self;
        bool room;

        plait__spin_acquire(&pool->lock);
        room = pool->computing + plait__backlog_count(&pool->backlog) < pool->executor.workers && (pool->idle || pool->count < pool->max);
        plait__spin_release(&pool->lock);
        return room;
}

/* ---- closing */

static void threads_task_starts(plait_executor *self)
{
        struct plait__threads *pool = (struct plait__threads *)self;

        plait__spin_acquire(&pool->lock);
        pool->live++;
        plait__spin_release(&pool->lock);
}

static void threads_task_ends(plait_executor *self)
{
        struct plait__threads *pool = (struct plait__threads *)self;

        plait__spin_acquire(&pool->lock);
        if (--pool->live == 0 && pool->closer)
                plait__unpark(pool->closer);
        plait__spin_release(&pool->lock);
}

static void wake_idle(struct plait__threads *pool)
{
        struct plait__thread *thread;

        for (thread = pool->idle; thread; thread = thread->next_idle)
                plait__unpark(&thread->loop->main->strand);
}

/* With the lock held. Cut short, it cancels what runs and what waits, and goes on waiting. */
static void cancel_all(struct plait__threads *pool)
{
        struct plait__link *link;
        struct plait__thread *thread;

        pool->cut = true;
        for (link = pool->backlog.tasks.next; link && link != &pool->backlog.tasks; link = link->next)
                plait__strand_cancel(plait__container(link, struct plait__strand, wait));
        for (thread = pool->threads; thread; thread = thread->next) {
                struct plait__strand *main = &thread->loop->main->strand;

                /* the task may be ending: its own thread passes this on to it (cancel.c) */
                plait__strand_cancel(main);
                atomic_fetch_or_explicit(&main->cancelled, PLAIT__SPREAD, memory_order_relaxed);
                plait__unpark(main);
        }
}

static int threads_close(plait_executor *self)
{
        struct plait__threads *pool = (struct plait__threads *)self;
        struct plait__strand *strand = plait__loop_here->current;
        int rc = 0;

        plait__spin_acquire(&pool->lock);
        pool->closer = strand;
        while (pool->live || pool->count || pool->watchers[PLAIT__WATCH_STUCK] || pool->watchers[PLAIT__WATCH_ROOM]) {
                pool->closing = !pool->live;
                if (pool->closing)
                        wake_idle(pool);
                if (rc == 0 && (rc = plait__check(strand)) < 0)
                        cancel_all(pool);
                plait__spin_release(&pool->lock);
                plait__park(strand, PLAIT__ON_CLOSE, rc ? PLAIT_FOREVER : strand->deadline);
                plait__spin_acquire(&pool->lock);
        }
        plait__spin_release(&pool->lock);
        plait__initializer_done(&pool->initializer);
        plait__sys.free(pool);
        return rc;
}

/* ---- opening */

static int threads_initialize(plait_executor *self)
{
        return plait__initializer_run(&((struct plait__threads *)self)->initializer);
}

static const struct plait__executor_class class = {
        .width = threads_width,
        .start = threads_start,
        .task_starts = threads_task_starts,
        .task_ends = threads_task_ends,
        .cancel = threads_cancel,
        .take_back = threads_take_back,
        .initialize = threads_initialize,
        .watch = threads_watch,
        .unwatch = threads_unwatch,
        .has_room = threads_has_room,
        .close = threads_close,
};

int plait__threads_open(plait_executor **ret, const plait_executor_options *options)
{
        struct plait__threads *pool = plait__sys.alloc(sizeof *pool);

        if (!pool)
                return -ENOMEM;
        pool->executor = (struct plait_executor){.class = &class, .name = options->name, .stack_bytes = options->stack_bytes};
        pool->executor.workers = options->workers ? options->workers : plait__cpus();
        pool->max = options->threads_max ? options->threads_max : THREADS_MAX;
        if (pool->max < pool->executor.workers)
                pool->max = pool->executor.workers;
        pool->executor.gil = options->gil;
        if (plait__initializer_init(&pool->initializer, options) < 0) {
                plait__sys.free(pool);
                return -ENOMEM;
        }
        *ret = &pool->executor;
        return 0;
}

static struct plait__threads shared = {
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

        plait__not_forked(__func__);
        pthread_once(&once, shared_width);
        return &shared.executor;
}
