/* The simulated threads: contexts on one real thread, each with a loop of its own and its own thread-locals. */
#define _GNU_SOURCE
#include "explore.h"

#include "arch/switch.h"

enum { STACK_BYTES = 256 * 1024, SPINS_MAX = 1000 };
enum life { READY, SLEEPS, SPINS, ENDED };

int running OWN = -1;

static OWN struct thread {
        void *context;
        char *stack;
        void (*body)(void);
        struct plait__loop *loop;
        int error; /* its errno: what the library keeps over a park */
        enum life life;
        const void *word; /* what it sleeps or spins on */
        plait_time until; /* SLEEPS */
        bool timed_out;
        unsigned spins; /* in vain, with nobody else to run */
} threads[THREADS];
static OWN unsigned count;
static OWN void *explorer;

struct plait__loop *loop_of(unsigned thread)
{
        return threads[thread].loop;
}

static void enter(struct thread *thread)
{
        running = (int)(thread - threads);
        plait__loop_here = thread->loop;
}

static void go(void **save, struct thread *to)
{
        enter(to);
        plait__switch(save, to->context, to);
}

/* Who spins when there is nobody to wait for: each in turn. */
static struct thread *longest_spinner(void)
{
        struct thread *thread, *found = NULL;

        for (thread = threads; thread < threads + count; thread++)
                if (thread->life == SPINS && (!found || thread->spins < found->spins))
                        found = thread;
        return found;
}

/* Who can go on; for each option beyond those that are free, a pre-emption is spent. */
static unsigned options(struct thread **ret, unsigned *ret_free)
{
        struct thread *here = &threads[running], *thread;
        unsigned n = 0;

        if (here->life == READY)
                ret[n++] = here;
        for (thread = threads; thread < threads + count; thread++)
                if (thread != here && thread->life == READY && (here->life != READY || left.preemptions))
                        ret[n++] = thread;
        *ret_free = here->life == READY ? 1 : n;
        for (thread = threads; thread < threads + count; thread++)
                if (thread->life == SLEEPS && thread->until != PLAIT_FOREVER && (n == 0 || left.preemptions))
                        ret[n++] = thread;
        if (*ret_free == 0)
                *ret_free = n;
        if (n == 0 && (thread = longest_spinner()))
                ret[n++] = thread;
        if (*ret_free == 0)
                *ret_free = n;
        return n;
}

static void tell_stuck(void)
{
        unsigned i;

        for (i = 0; i < count; i++)
                if (threads[i].life != ENDED)
                        fail("a wake-up is lost: nobody can go on, and thread %c sleeps", (int)('A' + i));
}

static void go_on(void)
{
        struct thread *ready[2 * THREADS], *here = &threads[running], *next;
        unsigned free_ones, n = options(ready, &free_ones), chosen;

        if (n == 0) {
                tell_stuck();
                running = -1;
                plait__loop_here = NULL;
                plait__switch(&here->context, explorer, NULL);
                return;
        }
        chosen = choose(n);
        left.preemptions -= chosen >= free_ones;
        next = ready[chosen];
        if (next->life == SLEEPS) {
                next->timed_out = true;
                if (next->until > clock_moment)
                        clock_moment = next->until;
        } else if (next->life == SPINS && ++next->spins > SPINS_MAX) {
                fail("thread %c spins for ever", (int)('A' + (next - threads)));
        }
        next->life = READY;
        if (next != here)
                go(&here->context, next);
}

void step(void)
{
        go_on();
}

bool sleep_on(const void *word, plait_time until)
{
        struct thread *here = &threads[running];

        here->life = SLEEPS;
        here->word = word;
        here->until = until;
        here->timed_out = false;
        go_on();
        return !here->timed_out;
}

void wake_sleepers(const void *word, unsigned most)
{
        struct thread *thread;

        for (thread = threads; thread < threads + count && most; thread++) {
                if (thread->life == SLEEPS && thread->word == word) {
                        thread->life = READY;
                        most--;
                }
        }
}

void spin_on(const void *address)
{
        threads[running].life = SPINS;
        threads[running].word = address;
        go_on();
}

void written(const void *address)
{
        struct thread *thread;

        threads[running].spins = 0;
        for (thread = threads; thread < threads + count; thread++)
                if (thread->life == SPINS && thread->word == address)
                        thread->life = READY;
}

static void begin(void *value)
{
        struct thread *here = value;

        here->body();
        here->life = ENDED;
        go_on();
        __builtin_unreachable();
}

void contexts_leave(void)
{
        void *left_behind;

        running = -1;
        plait__switch(&left_behind, explorer, NULL);
        __builtin_unreachable();
}

void contexts_make(const struct scenario *scenario)
{
        struct thread *thread;

        for (count = 0; count < THREADS && scenario->threads[count]; count++) {
                thread = &threads[count];
                thread->body = scenario->threads[count];
                thread->loop = plait__loop_new(NULL);
                if (!thread->loop)
                        fail("no memory");
                thread->loop->errno_here = &thread->error;
                thread->loop->cold = UINT8_MAX; /* it never spins */
                thread->loop->alternate_stack = thread->loop;
                if (scenario->pollers)
                        poller_open(thread->loop);
                thread->stack = image_map(STACK_BYTES);
                memory_region((char)('A' + count), thread->stack, STACK_BYTES);
        }
}

void contexts_run(void)
{
        struct thread *thread;

        for (thread = threads; thread < threads + count; thread++) {
                thread->context = plait__switch_prepare(thread->stack, thread->stack + STACK_BYTES, begin);
                thread->life = READY;
                thread->error = 0;
                thread->spins = 0;
        }
        go(&explorer, &threads[choose(count)]);
}
