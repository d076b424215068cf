#include "core/scope.h"

#include <errno.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/panic.h"
#include "core/strand.h"

_Atomic uint32_t plait__cancels;

bool plait__scope_cancel(struct plait__scope *scope, enum plait__cancel how)
{
        uint32_t none = PLAIT__CANCEL_NONE;

        atomic_fetch_add_explicit(&plait__cancels, 1, memory_order_relaxed);
        if (atomic_compare_exchange_strong_explicit(&scope->cancelled, &none, how, memory_order_relaxed, memory_order_relaxed))
                return true;
        atomic_fetch_sub_explicit(&plait__cancels, 1, memory_order_relaxed);
        return false;
}

bool plait__strand_cancel(struct plait__strand *strand)
{
        atomic_fetch_add_explicit(&plait__cancels, 1, memory_order_relaxed);
        if (!(atomic_fetch_or_explicit(&strand->cancelled, PLAIT__CANCELLED, memory_order_relaxed) & PLAIT__CANCELLED))
                return true;
        atomic_fetch_sub_explicit(&plait__cancels, 1, memory_order_relaxed);
        return false;
}

void plait__scope_uncancel(struct plait__scope *scope)
{
        if (atomic_exchange_explicit(&scope->cancelled, PLAIT__CANCEL_NONE, memory_order_relaxed))
                atomic_fetch_sub_explicit(&plait__cancels, 1, memory_order_relaxed);
}

void plait__strand_uncancel(struct plait__strand *strand)
{
        if (atomic_fetch_and_explicit(&strand->cancelled, (uint8_t)~PLAIT__CANCELLED, memory_order_relaxed) & PLAIT__CANCELLED)
                atomic_fetch_sub_explicit(&plait__cancels, 1, memory_order_relaxed);
}

static plait_time earlier(plait_time a, plait_time b)
{
        return a < b ? a : b;
}

/* What holds for the strand outside all scopes of its own: its task's, then its group's. */
static plait_time task_reach(const struct plait__strand *strand)
{
        const struct plait_task *task = plait__task_of(strand);
        plait_time reach = PLAIT_FOREVER;

        if (task->group)
                reach = plait__load(&plait__group_scope(task->group)->reach);
        if (task->extra && task->extra->deadline)
                reach = earlier(reach, task->extra->deadline);
        return reach;
}

static plait_time reach_of(const struct plait__strand *strand, const struct plait__scope *scope, const struct plait__scope *skip)
{
        plait_time outer;

        if (!scope)
                return task_reach(strand);
        if (scope->kind == PLAIT__SCOPE_SHIELD)
                return scope->deadline;
        outer = reach_of(strand, plait__load(&scope->parent), skip);
        return scope == skip ? outer : earlier(scope->deadline, outer);
}

plait_time plait__scope_reach(const struct plait__strand *strand, const struct plait__scope *skip)
{
        return reach_of(strand, strand->scope, skip);
}

void plait__scope_begin_task(struct plait__strand *strand)
{
        strand->deadline = task_reach(strand);
}

void plait__scope_push(struct plait__strand *strand, struct plait__scope *scope, enum plait__scope_kind kind, plait_time deadline)
{
        plait_time reach;

        plait__store(&scope->parent, strand->scope);
        scope->owner = strand;
        scope->deadline = deadline;
        reach = kind == PLAIT__SCOPE_SHIELD ? deadline : earlier(deadline, strand->deadline);
        plait__store(&scope->reach, reach);
        plait__store(&scope->cancelled, 0);
        scope->kind = (uint8_t)kind;
        strand->deadline = reach;
        strand->scope = scope;
}

bool plait__scope_remove(struct plait__strand *strand, struct plait__scope *scope)
{
        struct plait__scope *before = NULL, *inner, *parent;

        for (inner = strand->scope; inner && inner != scope; inner = plait__load(&inner->parent))
                before = inner;
        if (!inner)
                return false;
        parent = plait__load(&scope->parent);
        if (before)
                plait__store(&before->parent, parent);
        else
                strand->scope = parent;
        for (inner = strand->scope; inner && inner != parent; inner = plait__load(&inner->parent))
                plait__store(&inner->reach, reach_of(strand, inner, NULL));
        strand->deadline = strand->scope ? plait__load(&strand->scope->reach) : task_reach(strand);
        if (strand->timer.place && strand->timer.moment < strand->deadline)
                plait__timers_remove(&strand->loop->timers, &strand->timer);
        scope->kind = 0;
        if (plait__unlikely(plait__load(&scope->cancelled)))
                plait__scope_uncancel(scope);
        return true;
}

static int scope_ended(const struct plait__scope *scope, plait_time now)
{
        uint32_t cancelled = plait__load(&scope->cancelled);

        if (cancelled)
                return cancelled == PLAIT__CANCEL_TIMEOUT ? -ETIMEDOUT : -ECANCELED;
        return now >= scope->deadline ? -ETIMEDOUT : 0;
}

static int task_ended(const struct plait_task *task, plait_time now)
{
        if (plait__load(&task->strand.cancelled) & PLAIT__CANCELLED)
                return -ECANCELED;
        return task->extra && task->extra->deadline && now >= task->extra->deadline ? -ETIMEDOUT : 0;
}

static int walk(struct plait__strand *strand, const struct plait__scope *scope, const struct plait__scope *skip, plait_time now)
{
        const struct plait_task *task;
        int ended, rc = 0;

        for (;;) {
                for (; scope; scope = plait__load(&scope->parent)) {
                        if (scope == skip)
                                continue;
                        ended = scope_ended(scope, now);
                        if (ended)
                                rc = ended;
                        if (scope->kind == PLAIT__SCOPE_SHIELD && now < scope->deadline)
                                return rc;
                }
                task = strand ? plait__task_of(strand) : NULL;
                if (!task || !task->group)
                        return rc;
                ended = task_ended(task, now);
                if (ended)
                        rc = ended;
                scope = plait__group_scope(task->group);
                strand = scope->owner;
        }
}

int plait__scope_state(struct plait__strand *strand, const struct plait__scope *skip)
{
        plait_time reach = skip ? plait__scope_reach(strand, skip) : strand->deadline;

        return walk(strand, strand->scope, skip, reach == PLAIT_FOREVER ? INT64_MIN : plait__loop_now(strand->loop));
}

int plait__scope_state_at(struct plait__strand *strand, plait_time now)
{
        return walk(strand, strand->scope, NULL, now);
}

int plait__scope_state_from(struct plait__loop *loop, struct plait__strand *strand, const struct plait__scope *scope)
{
        return walk(strand, scope, NULL, plait__loop_now(loop));
}

/* ---- the public calls */

static struct plait__scope *inner_of(plait_scope *scope)
{
        return (struct plait__scope *)(void *)scope->private_;
}

static bool is_open(const struct plait__strand *strand, const struct plait__scope *scope)
{
        const struct plait__scope *open;

        for (open = strand->scope; open; open = plait__load(&open->parent))
                if (open == scope)
                        return true;
        return false;
}

static void enter(const char *call, plait_scope *scope, enum plait__scope_kind kind, plait_time within)
{
        struct plait__strand *strand = plait__strand_or_abort(call);
        plait_time deadline = within == PLAIT_FOREVER ? PLAIT_FOREVER : plait__clock_after(plait__loop_now(strand->loop), within);

        if (is_open(strand, inner_of(scope)))
                plait__panic(call, "the scope is entered already");
        plait__scope_push(strand, inner_of(scope), kind, deadline);
}

void plait_scope_enter(plait_scope *scope, plait_time within)
{
        enter(__func__, scope, PLAIT__SCOPE_BLOCK, within);
}

void plait_scope_enter_shield(plait_scope *scope, plait_time within)
{
        enter(__func__, scope, PLAIT__SCOPE_SHIELD, within);
}

int plait_scope_leave(plait_scope *scope)
{
        struct plait__strand *strand = plait__strand_or_abort(__func__);
        struct plait__scope *inner = inner_of(scope);
        int rc;

        if (strand->scope != inner) {
                if (strand->scope && strand->scope->kind == PLAIT__SCOPE_GROUP && is_open(strand, inner))
                        plait__panic(__func__, "a group that was opened inside the scope is still open");
                plait__panic(__func__, "the scope is not this strand's innermost");
        }
        rc = scope_ended(inner, inner->deadline == PLAIT_FOREVER ? INT64_MIN : plait__loop_now(strand->loop));
        plait__scope_remove(strand, inner);
        return rc;
}

/* The end of a block acts only on what this strand has open: gcc lets a goto jump over the declaration. */
void plait__scope_end(plait_scope *scope)
{
        struct plait__loop *loop = plait__loop_here;

        if (loop && is_open(loop->current, inner_of(scope)))
                plait_scope_leave(scope);
}
