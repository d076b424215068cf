#include "core/strand.h"

#include <errno.h>

#include "arch/switch.h"
#include "base/panic.h"
#include "core/overflow.h"

void (*plait__strand_body)(struct plait_task *task, int failed);
void (*plait__spread)(struct plait__strand *strand);
void (*plait__gil_leave)(struct plait__strand *strand, struct plait_gil *gil);
void (*plait__gil_return)(struct plait__strand *strand, struct plait_gil *gil);

static void coroutine_main(void *value);

/* ---- switching */

/* With many strands ready each switch finds its stack in no cache: the frames that a strand comes back to are asked for while
 * those before it run (100,000 that yield: 340 ns a switch without, 85 with). */
static inline void fetch_ahead(struct plait__loop *loop)
{
        const char *frames = loop->ahead->context;

        loop->ahead = loop->ahead->next;
        __builtin_prefetch(frames, 1);
        __builtin_prefetch(frames + 64, 1);
        __builtin_prefetch(frames + 128, 1);
        __builtin_prefetch(frames + 192, 1);
}

static struct plait__strand *next_ready(struct plait__loop *loop)
{
        struct plait__strand *strand = loop->ready;

        if (plait__unlikely(loop->seams.pick != NULL))
                return loop->seams.pick(loop);
        if (strand) {
                loop->ready = strand->next;
                if (!loop->ready)
                        loop->ready_end = &loop->ready;
                if (loop->ahead)
                        fetch_ahead(loop);
        }
        return strand;
}

/* After each switch, in the strand that goes on: the one before may have ended. */
static void arrived(struct plait__loop *loop, struct plait__fiber *here)
{
        plait__fiber_arrive(here, loop->left);
        if (plait__unlikely(loop->ended_stack != NULL)) {
                plait__stack_give(loop, loop->ended_stack);
                loop->ended_stack = NULL;
                plait__fiber_end(&loop->ended_fiber);
        }
}

/* A service has nobody to tell that there is no memory: those that wait for it have deadlines of their own. */
static void try_later(struct plait__loop *loop, struct plait__strand *strand)
{
        plait__timers_remove(&loop->timers, &strand->timer);
        plait__timers_add(&loop->timers, &strand->timer, plait__loop_now(loop) + 10 * PLAIT_MS);
        strand->parked = 1;
}

/* What a strand does, on its own stack. */
static inline void body(struct plait_task *task)
{
        if (plait__unlikely(task->strand.flags & PLAIT__SERVICE))
                task->fn(task->arg);            /* does not return */
        plait__strand_body(task, 0);
}

/* Gives a new strand its stack; false: no memory, and its task has ended with that. */
static bool begin(struct plait__loop *loop, struct plait__strand *strand)
{
        struct plait_task *task = plait__task_of(strand);
        void *bottom, *top;

        if (plait__unlikely(!loop->alternate_stack))
                plait__overflow_thread(loop);
        strand->stack = plait__stack_take(loop, strand->stack_class);
        if (plait__unlikely(!strand->stack)) {
                if (strand->flags & PLAIT__SERVICE)
                        try_later(loop, strand);
                else
                        plait__strand_body(task, -ENOMEM);
                return false;
        }
        strand->stack->strand = strand;
        top = plait__stack_top(strand->stack, &bottom);
        plait__fiber_begin(&task->fiber, bottom, (size_t)((char *)top - (char *)bottom));
        strand->context = plait__switch_prepare(bottom, top, coroutine_main);
        plait__store(&strand->state, PLAIT__RUNNING);
        return true;
}

/* The one door through which a strand is resumed. Never inlined: that all switches return to one place is what makes those
 * returns, and the ones after them, predicted (arch/switch_x86_64.S). */
static __attribute__((noinline)) PLAIT__FIBER_SWITCHES void resume(struct plait__loop *loop, void **save, struct plait__fiber *from,
                                                                    struct plait__strand *to, bool ends)
{
        struct plait__fiber *fiber = &plait__task_of(to)->fiber;

        loop->current = to;
        plait__fiber_exceptions(loop->exceptions_here, from, fiber);
        plait__fiber_leave(&loop->left, from, fiber, ends);
        plait__switch(save, to->context, to);
        arrived(loop, from);
}

/* The next strand to run, begun if it is new; sleeps until there is one. */
static inline struct plait__strand *next_to_run(struct plait__loop *loop)
{
        struct plait__strand *next;

        if (plait__unlikely(--loop->budget == 0))
                plait__loop_look(loop);
        for (;;) {
                next = next_ready(loop);
                if (plait__unlikely(!next)) {
                        plait__loop_idle(loop);
                        continue;
                }
                if (plait__likely(plait__load(&next->state) != PLAIT__NEW) || begin(loop, next))
                        return next;
        }
}

static inline void leave(struct plait__loop *loop, struct plait__strand *strand)
{
        struct plait__strand *next = next_to_run(loop);

        if (next == strand)
                return;
        resume(loop, &strand->context, &plait__task_of(strand)->fiber, next, false);
}

/* A stack serves one task after the other as long as the next is a new one: no switch, and the stack is warm. */
static void coroutine_main(void *value)
{
        struct plait__strand *strand = value, *next;
        struct plait__loop *loop = strand->loop;
        struct plait__stack *stack = strand->stack;
        struct plait__fiber fiber;
        int class = strand->stack_class;

        arrived(loop, &plait__task_of(strand)->fiber);
        for (;;) {
                fiber = plait__task_of(strand)->fiber;          /* kept here: others begin and end while this one parks */
                body(plait__task_of(strand));   /* the record may be another's from here on */
                loop->ended_fiber = fiber;
                loop->current = loop->line;
                if (plait__unlikely(--loop->budget == 0))
                        plait__loop_look(loop);
                next = next_ready(loop);
                if (!next || !PLAIT__STACK_REUSE || plait__load(&next->state) != PLAIT__NEW || next->stack_class != class)
                        break;
                next->stack = stack;
                stack->strand = strand = next;
                plait__store(&next->state, PLAIT__RUNNING);
                loop->current = next;
        }
        while (!next || (plait__load(&next->state) == PLAIT__NEW && !begin(loop, next))) {
                if (!loop->ready)
                        plait__loop_idle(loop);
                next = next_ready(loop);
        }
        loop->ended_stack = stack;
        resume(loop, &loop->ended_context, &loop->ended_fiber, next, true);
        __builtin_unreachable();
}

/* ---- the running strand */

void plait__strand_abort(const char *call)
{
        plait__panic(call, "no memory for this thread's loop");
}

struct plait__strand *plait__strand_wait(const char *call)
{
        struct plait__strand *strand;

        while (!(strand = plait__strand_here(call)))
                plait__spin_yield();
        return strand;
}

/* ---- parking and waking */

static void arm(struct plait__loop *loop, struct plait__strand *strand, plait_time until)
{
        if (strand->timer.place && strand->timer.moment <= until)
                return;                         /* it will wake early, look, and arm again */
        plait__timers_remove(&loop->timers, &strand->timer);
        plait__timers_add(&loop->timers, &strand->timer, until);
}

static inline void park(struct plait__loop *loop, struct plait__strand *strand, enum plait__reason reason, plait_time until)
{
        int saved_errno = *loop->errno_here;

        if (until != PLAIT_FOREVER)
                arm(loop, strand, until);
        if (plait__unlikely(strand->stack && !(strand->stack->flags & PLAIT__STACK_GUARDED)))
                plait__overflow_check(strand);
        strand->parked = 1;
        strand->reason = (uint8_t)reason;
        leave(loop, strand);
        strand->reason = PLAIT__NOT_PARKED;
        *loop->errno_here = saved_errno;
}

void plait__park(struct plait__strand *strand, enum plait__reason reason, plait_time until)
{
        struct plait_gil *gil = strand->gil;

        if (strand->permit) {
                strand->permit = 0;
                return;
        }
        if (plait__likely(!gil)) {
                park(strand->loop, strand, reason, until);
                return;
        }
        plait__gil_leave(strand, gil);
        park(strand->loop, strand, reason, until);
        plait__gil_return(strand, gil);
}

void plait__unpark(struct plait__strand *strand)
{
        struct plait__loop *loop = strand->loop;

        if (plait__likely(loop == plait__loop_here)) {
                if (strand->parked) {
                        strand->parked = 0;
                        plait__loop_append(loop, strand);
                } else {
                        strand->permit = 1;
                }
        } else if (atomic_exchange_explicit(&strand->remote, 1, memory_order_acq_rel) == 0) {
                plait__loop_push(strand);       /* release: all before, for the exchange in plait__loop_drain() */
        }
}

void plait__yield(struct plait__strand *strand)
{
        struct plait__loop *loop = strand->loop;
        int saved_errno = *loop->errno_here;

        plait__loop_append(loop, strand);
        leave(loop, strand);
        *loop->errno_here = saved_errno;
}

void plait__grant(struct plait__strand *strand)
{
        if (strand->loop == plait__loop_here) {
                plait__store(&strand->granted, PLAIT__GRANTED);
                plait__unpark(strand);
                return;
        }
        plait__store_release(&strand->granted, PLAIT__GRANTING);        /* both pair with plait__granted() */
        plait__unpark(strand);
        plait__store_release(&strand->granted, PLAIT__GRANTED);
}

bool plait__granted_slow(struct plait__strand *strand)
{
        unsigned tries = 0;

        while (plait__load_acquire(&strand->granted) != PLAIT__GRANTED) {
                if (++tries < 100)
                        plait__pause();
                else
                        plait__spin_yield();
        }
        return true;
}

/* ---- waiting, and what may end it */

int plait__check_slow(struct plait__strand *strand)
{
        return plait__scope_state(strand, NULL);
}

int plait__enter_slow(struct plait__strand *strand)
{
        int rc;

        plait__point(strand->loop, true);
        rc = plait__check(strand);
        if (plait__unlikely(rc < 0))
                plait__yield(strand);
        return rc;
}

int plait__wait_granted(struct plait__strand *strand, enum plait__reason reason, plait_time until)
{
        int rc = 0;

        while (!plait__granted(strand) && (rc = plait__check(strand)) == 0) {
                if (until != PLAIT_FOREVER && plait__loop_now(strand->loop) >= until)
                        return 0;
                plait__park(strand, reason, until < strand->deadline ? until : strand->deadline);
        }
        return plait__granted(strand) ? 0 : rc;
}

/* ---- the library's own strands */

struct plait__strand *plait__service_start(struct plait__loop *loop, int (*fn)(void *), void *arg, size_t stack_bytes)
{
        struct plait_task *task = plait__record_new(loop);

        if (!task)
                return NULL;
        task->fn = fn;
        task->arg = arg;
        task->strand.flags = PLAIT__SERVICE;
        task->strand.stack_class = (uint8_t)plait__stack_class(stack_bytes);
        plait__store(&task->strand.state, PLAIT__NEW);
        plait__list_append(&loop->services, &task->siblings);
        plait__loop_append(loop, &task->strand);
        return &task->strand;
}

void plait__services_end(struct plait__loop *loop)
{
        struct plait__link *link;
        struct plait_task *task;

        loop->ahead = NULL;
        loop->ready = NULL;                     /* nobody but services can be here: their tasks' groups have ended */
        loop->ready_end = &loop->ready;
        while ((link = plait__list_first(&loop->services))) {
                task = plait__container(link, struct plait_task, siblings);
                plait__list_remove(link);
                plait__timers_remove(&loop->timers, &task->strand.timer);
                if (task->strand.stack) {
                        plait__stack_give(loop, task->strand.stack);
                        plait__fiber_end(&task->fiber);
                }
                plait__record_free(loop, task);
        }
}
