/* Coroutines on several loops, each on a thread of its own. Tasks wait in one backlog until a loop takes them; a loop takes some
 * each time that it looks at the outside, fewer as fewer are left, so that work is balanced before it begins. What a loop has taken
 * is its own: a coroutine that has begun never changes its thread. (One backlog under a spin lock, and not a deque a loop that others
 * steal from: it pays from tasks of 60 ns on, and with two loops already halves the time of tasks of 0.5 µs.)
 *
 * A loop's main line only waits for the end. A loop that goes to sleep is idle: it is in the pool's list, and a start wakes it. Who
 * is idle has looked at the backlog with the lock held, so no start is missed. */
#include "task/loops.h"

#include <errno.h>

#include "base/cpus.h"
#include "base/sys.h"
#include "core/strand.h"
#include "task/backlog.h"
#include "task/group.h"
#include "task/initializer.h"

enum { TAKE_MAX = 16 };

struct loops {
        struct plait_executor executor;         /* first */
        plait__spin lock;                       /* of all below */
        struct plait__backlog backlog;
        struct member *idle;
        struct member *members;                 /* all whose thread has begun */
        unsigned count;                         /* threads, those about to begin included */
        size_t live;                            /* tasks started that have not ended */
        bool closing;                           /* nothing is left: the threads end */
        _Atomic bool cut;                       /* the close was cut short: all that runs is cancelled; relaxed, a hint */
        struct plait__strand *closer;
        struct plait__initializer initializer;
};

struct member {
        struct plait__source source;            /* first */
        struct loops *pool;
        struct plait__loop *loop;
        struct member *next, **back;            /* in pool->members */
        struct member *next_idle;
        bool is_idle;
        bool has_cut;                           /* its own: it has cancelled what it runs */
        int failed;                             /* the initializer's result */
};

/* ---- taking tasks */

/* With the lock held: the tasks that this loop is to have now, by strand.next. */
static struct plait__strand *take_some(struct loops *pool)
{
        unsigned share = plait__backlog_count(&pool->backlog) / (4 * pool->executor.workers);
        struct plait__strand *first = NULL, **end = &first;
        struct plait_task *task;

        share = share < 1 ? 1 : share > TAKE_MAX ? TAKE_MAX : share;
        while (share-- && (task = plait__backlog_pop(&pool->backlog))) {
                *end = &task->strand;
                end = &task->strand.next;
        }
        *end = NULL;
        return first;
}

/* The task is this loop's from here on. With its group's lock, as a cancel reads whose it is. */
static void settle(struct member *member, struct plait_task *task)
{
        struct plait__group *group = plait__group_of(task->group);

        plait__group_lock(group);
        task->strand.loop = member->loop;
        plait__group_unlock(group);
        if (member->failed < 0 && !(task->strand.flags & PLAIT__POSTED))
                plait__task_finish(task, member->failed);
        else
                plait__loop_append(member->loop, &task->strand);
}

/* Other threads' records are looked at as well, which change meanwhile: what is read of those does not matter. */
__attribute__((no_sanitize("thread"), noinline)) static bool runs_here(const struct plait_task *task, const struct member *member)
{
        return plait__load(&task->strand.state) == PLAIT__RUNNING && task->strand.loop == member->loop && task->group;
}

/* All of the executor's tasks that this loop runs. */
static void cancel_own(struct member *member)
{
        uint32_t count = plait__load_acquire(&plait__records.count), i;

        for (i = 0; i < count; i++) {
                struct plait_task *task = &plait__records.records[i];

                if (!runs_here(task, member) || task->group->executor != &member->pool->executor)
                        continue;
                plait__strand_cancel(&task->strand);
                plait__wake_below(&task->strand, NULL);
        }
}

static bool peek(const struct plait__source *source)
{
        return plait__backlog_count(&((const struct member *)source)->pool->backlog) > 0;
}

static void look(struct plait__source *source, struct plait__loop *loop)
{
        struct member *member = (struct member *)source;
        struct loops *pool = member->pool;
        struct plait__strand *taken, *next;

        (void)loop;
        if (plait__unlikely(plait__load(&pool->cut)) && !member->has_cut) {
                member->has_cut = true;
                cancel_own(member);
        }
        if (!peek(source))
                return;
        plait__spin_acquire(&pool->lock);
        taken = take_some(pool);
        plait__spin_release(&pool->lock);
        for (; taken; taken = next) {
                next = taken->next;
                settle(member, plait__task_of(taken));
        }
}

static bool arm(struct plait__source *source, struct plait__loop *loop)
{
        struct member *member = (struct member *)source;
        struct loops *pool = member->pool;
        bool quiet;

        (void)loop;
        plait__spin_acquire(&pool->lock);
        quiet = !peek(source);
        member->is_idle = quiet;
        if (quiet) {
                member->next_idle = pool->idle;
                pool->idle = member;
        }
        plait__spin_release(&pool->lock);
        return quiet;
}

static void disarm(struct plait__source *source, struct plait__loop *loop)
{
        struct member *member = (struct member *)source, **link;
        struct loops *pool = member->pool;

        (void)loop;
        plait__spin_acquire(&pool->lock);
        if (member->is_idle) {
                for (link = &pool->idle; *link != member; link = &(*link)->next_idle)
                        ;
                *link = member->next_idle;
                member->is_idle = false;
        }
        plait__spin_release(&pool->lock);
}

/* ---- the threads */

static void member_begins(struct member *member)
{
        struct loops *pool = member->pool;

        member->failed = plait__initializer_run(&pool->initializer);
        member->source = (struct plait__source){.next = member->loop->sources, .peek = peek, .look = look, .arm = arm, .disarm = disarm};
        member->loop->sources = &member->source;
        plait__spin_acquire(&pool->lock);
        member->next = pool->members;
        member->back = &pool->members;
        if (member->next)
                member->next->back = &member->next;
        pool->members = member;
        plait__spin_release(&pool->lock);
}

static void member_ends(struct member *member)
{
        struct loops *pool = member->pool;
        struct plait__source **link = &member->loop->sources;

        while (*link != &member->source)
                link = &(*link)->next;
        *link = member->source.next;
        plait__spin_acquire(&pool->lock);       /* from here on nobody wakes its main line */
        *member->back = member->next;
        if (member->next)
                member->next->back = member->back;
        plait__spin_release(&pool->lock);
        plait__loop_end(member->loop);
        plait__sys.free(member);
        plait__spin_acquire(&pool->lock);
        pool->count--;
        plait__unpark(pool->closer);
        plait__spin_release(&pool->lock);
}

static bool is_closing(struct loops *pool)
{
        bool closing;

        plait__spin_acquire(&pool->lock);
        closing = pool->closing;
        plait__spin_release(&pool->lock);
        return closing;
}

static void *member_main(void *arg)
{
        struct member *member = arg;

        plait__loop_adopt(member->loop);
        member_begins(member);
        while (!is_closing(member->pool))
                plait__park(member->loop->current, PLAIT__ON_WORK, PLAIT_FOREVER);
        member_ends(member);
        return NULL;
}

static int member_start(struct loops *pool)
{
        struct member *member = plait__sys.alloc(sizeof *member);
        int rc = -ENOMEM;

        if (!member)
                return rc;
        member->pool = pool;
        member->loop = plait__loop_new(plait__loop_here);
        if (member->loop)
                rc = plait__sys.thread_start(member_main, member, 0);
        if (rc == 0)
                return 0;
        if (member->loop)
                plait__loop_free(plait__loop_here, member->loop);
        plait__sys.free(member);
        return rc;
}

/* ---- the executor */

static size_t loops_width(plait_executor *self)
{
        (void)self;
        return 0;
}

/* No thread could be had. If there is none at all the task is taken back, unless one came meanwhile. */
static int without_thread(struct loops *pool, struct plait_task *task, int rc)
{
        plait__spin_acquire(&pool->lock);
        pool->count--;
        if (pool->count == 0 && task->strand.flags & PLAIT__QUEUED)
                plait__backlog_remove(&pool->backlog, task);
        else
                rc = 0;
        plait__spin_release(&pool->lock);
        return rc;
}

static int loops_start(plait_executor *self, struct plait_task *task)
{
        struct loops *pool = (struct loops *)self;
        struct member *idle;
        bool fresh;
        int rc;

        plait__spin_acquire(&pool->lock);
        if (plait__load(&pool->cut))
                plait__strand_cancel(&task->strand);
        plait__backlog_push(&pool->backlog, task);
        idle = pool->idle;
        if (idle) {
                pool->idle = idle->next_idle;
                idle->is_idle = false;
        }
        fresh = !idle && pool->count < pool->executor.workers;
        pool->count += fresh;
        plait__spin_release(&pool->lock);
        if (idle)
                plait__unpark(&idle->loop->main->strand);
        if (!fresh)
                return 0;
        rc = member_start(pool);
        return rc < 0 ? without_thread(pool, task, rc) : 0;
}

static void loops_task_starts(plait_executor *self)
{
        struct loops *pool = (struct loops *)self;

        plait__spin_acquire(&pool->lock);
        pool->live++;
        plait__spin_release(&pool->lock);
}

static void loops_task_ends(plait_executor *self)
{
        struct loops *pool = (struct loops *)self;

        plait__spin_acquire(&pool->lock);
        if (--pool->live == 0 && pool->closer)
                plait__unpark(pool->closer);
        plait__spin_release(&pool->lock);
}

static void loops_cancel(plait_executor *self, struct plait_task *task)
{
        (void)self;
        (void)task;                             /* it was woken already (cancel.c) */
}

static struct plait_task *loops_take_back(plait_executor *self, plait_group *group, bool full)
{
        struct loops *pool = (struct loops *)self;
        struct plait_task *task;

        if (full)
                return NULL;                    /* tasks that wait do not keep others from beginning */
        plait__spin_acquire(&pool->lock);
        task = plait__backlog_pop_of(&pool->backlog, group);
        plait__spin_release(&pool->lock);
        return task;
}

/* With the lock held. */
static void wake_all(struct loops *pool)
{
        struct member *member;

        for (member = pool->members; member; member = member->next)
                plait__unpark(&member->loop->main->strand);
}

/* With the lock held: what has not begun is cancelled here, what runs by its own loop. */
static void cut_short(struct loops *pool)
{
        struct plait__link *link;

        plait__store(&pool->cut, true);
        for (link = pool->backlog.tasks.next; link && link != &pool->backlog.tasks; link = link->next)
                plait__strand_cancel(plait__container(link, struct plait__strand, wait));
        wake_all(pool);
}

static int loops_close(plait_executor *self)
{
        struct loops *pool = (struct loops *)self;
        struct plait__strand *strand = plait__loop_here->current;
        int rc = 0;

        plait__spin_acquire(&pool->lock);
        pool->closer = strand;
        while (pool->live || pool->count) {
                if (!pool->live && !pool->closing) {
                        pool->closing = true;
                        wake_all(pool);
                }
                if (rc == 0 && (rc = plait__check(strand)) < 0)
                        cut_short(pool);
                plait__spin_release(&pool->lock);
                plait__park(strand, PLAIT__ON_CLOSE, rc ? PLAIT_FOREVER : strand->deadline);
                plait__spin_acquire(&pool->lock);
        }
        plait__spin_release(&pool->lock);
        plait__initializer_done(&pool->initializer);
        plait__sys.free(pool);
        return rc;
}

static int loops_initialize(plait_executor *self)
{
        return plait__initializer_run(&((struct loops *)self)->initializer);
}

static const struct plait__executor_class class = {
        .coroutines = true,
        .width = loops_width,
        .start = loops_start,
        .task_starts = loops_task_starts,
        .task_ends = loops_task_ends,
        .cancel = loops_cancel,
        .take_back = loops_take_back,
        .initialize = loops_initialize,
        .close = loops_close,
};

int plait__loops_open(plait_executor **ret, const plait_executor_options *options)
{
        struct loops *pool = plait__sys.alloc(sizeof *pool);

        if (!pool)
                return -ENOMEM;
        pool->executor = (struct plait_executor){.class = &class, .name = options->name, .stack_bytes = options->stack_bytes};
        pool->executor.workers = options->workers ? options->workers : plait__cpus();
        if (plait__initializer_init(&pool->initializer, options) < 0) {
                plait__sys.free(pool);
                return -ENOMEM;
        }
        *ret = &pool->executor;
        return 0;
}
