/* How a sleeping loop is woken. Other threads push strands onto the inbox, a stack in one word. Before it sleeps, the loop
 * puts a sentinel there, in place of NULL; whoever replaces the sentinel rings the bell (a futex) or, when the loop sleeps in
 * its poller, writes the poller's eventfd. So there is no second flag, and no wake-up between looking and sleeping is lost.
 * A strand's `remote` is 1 from the first push until it is drained, so that it is in the inbox at most once. Because the home
 * loop alone resumes a strand, it cannot be woken before its context is saved. */
#define _GNU_SOURCE
#include "core/loop.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/cpus.h"
#include "base/panic.h"
#include "base/sys.h"
#include "core/overflow.h"
#include "core/poller.h"
#include "core/strand.h"

enum {
        BUDGET = 64,                            /* strands that run before the outside is looked at */
        AHEAD = 8,                              /* strands between the one that runs and the one whose frames are fetched */
        SPIN_NS = 5000,
        HOT_MAX = 8,
        COLD = 64
};

#define ASK_AGAIN (10 * PLAIT_MS)
#define POLL_EVERY (100 * PLAIT_US)             /* a busy loop looks at descriptors this often */

__thread struct plait__loop *plait__loop_here __attribute__((tls_model("initial-exec")));
_Atomic bool plait__loop_forked;

static struct plait__loop first;                /* so that a program's first thread needs no memory for its loop */
static _Atomic(struct plait__loop *) all;       /* push only */
static struct plait__loop *unused;              /* loops of threads that ended */
static plait__spin guard;                       /* of unused, and of the first use */
static pthread_key_t key;
static bool prepared;

/* ---- the default seams */

static plait_time seam_now(struct plait__loop *loop)
{
        (void)loop;
        return plait__clock_now();
}

/* xorshift64*, after Vigna, "An experimental exploration of Marsaglia's xorshift generators" (2016). */
static uint64_t seam_random(struct plait__loop *loop)
{
        uint64_t x = loop->random_state;

        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        loop->random_state = x;
        return x * UINT64_C(2685821657736338717);
}

static int futex_private(const struct plait__loop *loop)
{
        return plait__load(&loop->bell) == &loop->own_bell ? FUTEX_PRIVATE_FLAG : 0;
}

static void futex_sleep(struct plait__loop *loop, plait_time until)
{
        struct plait__kernel_timespec moment = {until / PLAIT_S, until % PLAIT_S};

        plait__sys.futex(plait__load(&loop->bell), FUTEX_WAIT_BITSET | futex_private(loop), 0, until == PLAIT_FOREVER ? NULL : &moment,
                         FUTEX_BITSET_MATCH_ANY);
}

static bool inbox_filled(const struct plait__loop *loop)
{
        return plait__load(&loop->inbox) != NULL;
}

/* Whether something has come from outside: into the inbox, or to a source. */
static bool has_come(const struct plait__loop *loop)
{
        const struct plait__source *source;

        if (inbox_filled(loop))
                return true;
        for (source = loop->sources; source; source = source->next)
                if (source->peek(source))
                        return true;
        return false;
}

/* Waits a little for a wake-up from a thread that is awake: 0.3 against 10 µs and more. Only when that has paid lately. One
 * that has itself just woken another gives way first: the kernel likes to place that one on our processor, where it would
 * wait until we stop (a round trip of two threads: 25 µs without spinning, 0.9 with 2 µs of it, 0.35 with 5). */
static bool spin(struct plait__loop *loop)
{
        plait_time end;
        bool found, woke = loop->woke, woke_process = loop->woke_process;

        loop->woke = loop->woke_process = false;
        if (loop->hot == 0 || woke_process || plait__cpus() < 2)
                return false;
        if (woke)
                plait__spin_yield();
        end = plait__clock_now() + SPIN_NS;
        do {
                for (int i = 0; i < 16 && !has_come(loop); i++)
                        plait__pause();
                found = has_come(loop);
        } while (!found && plait__clock_now() < end);
        if (found && loop->hot < HOT_MAX)
                loop->hot++;
        else if (!found && --loop->hot == 0)
                loop->cold = COLD;
        return found;
}

static bool arm_sources(struct plait__loop *loop)
{
        struct plait__source *source;
        bool quiet = true;

        for (source = loop->sources; source; source = source->next)
                quiet &= source->arm(source, loop);
        return quiet;
}

static void disarm_sources(struct plait__loop *loop)
{
        struct plait__source *source;

        for (source = loop->sources; source; source = source->next)
                source->disarm(source, loop);
}

/* Sleeps unless something is in the inbox. */
static void sleep_until(struct plait__loop *loop, plait_time until)
{
        struct plait__strand *nobody = NULL, *sentinel = PLAIT__SLEEPS;
        plait_time began = plait__loop_now(loop);

        plait__store(&loop->sleeps_in_poller, loop->poller != NULL);
        /* release: the line above, and the bell, for plait__loop_push(); seq_cst: plait__loop_ring() */
        if (!atomic_compare_exchange_strong_explicit(&loop->inbox, &nobody, PLAIT__SLEEPS, memory_order_seq_cst, memory_order_relaxed))
                return;
        if (plait__unlikely(atomic_load_explicit(&loop->outside.asked, memory_order_seq_cst)))
                until = 0;                      /* it was asked, and not rung */
        if (loop->poller)
                plait__poller_wait(loop, until);
        else
                futex_sleep(loop, until);
        atomic_compare_exchange_strong_explicit(&loop->inbox, &sentinel, NULL, memory_order_relaxed, memory_order_relaxed);
        if (loop->cold)
                loop->cold--;                   /* who wakes us may want our processor: the next spin would be in vain as well */
        else if (loop->hot < HOT_MAX && has_come(loop) && plait__loop_now(loop) - began < 10 * SPIN_NS)
                loop->hot++;                    /* woken by another thread, soon after */
}

static void seam_poll(struct plait__loop *loop, plait_time until)
{
        if (until <= loop->now) {
                if (loop->poller)
                        plait__poller_wait(loop, 0);
                return;
        }
        if (spin(loop))
                return;
        plait__store(plait__load(&loop->bell), 0);            /* before the sources are armed: from then on they may ring it */
        if (arm_sources(loop)) {
                if (loop->blocks && !loop->blocks(loop, true) && until - loop->now > ASK_AGAIN)
                        until = loop->now + ASK_AGAIN;
                if (!loop->ready || !loop->blocks)      /* else what it told woke a strand of this very loop */
                        sleep_until(loop, until);
                if (loop->blocks)
                        loop->blocks(loop, false);
        }
        disarm_sources(loop);
}

struct plait__seams plait__seams = {.now = seam_now, .poll = seam_poll, .random = seam_random};

/* ---- waking */

static void ring(struct plait__loop *loop)
{
        if (plait__load(&loop->sleeps_in_poller)) {
                plait__poller_ring(loop);
        } else {
                plait__store(plait__load(&loop->bell), 1);
                plait__sys.futex(plait__load(&loop->bell), FUTEX_WAKE | futex_private(loop), 1, NULL, 0);
        }
        if (plait__loop_here)
                plait__loop_here->woke = true;
}

void plait__loop_push(struct plait__strand *strand)
{
        struct plait__loop *loop = strand->loop;
        struct plait__strand *head = plait__load(&loop->inbox);

        do {
                strand->inbox_next = head == PLAIT__SLEEPS ? NULL : head;
                /* release: the strand's link, for plait__loop_drain(); acquire: how it sleeps, from sleep_until() */
        } while (!atomic_compare_exchange_weak_explicit(&loop->inbox, &head, strand, memory_order_acq_rel, memory_order_relaxed));
        if (head == PLAIT__SLEEPS)
                ring(loop);
}

/* Who asks writes first, and then looks whether the loop sleeps; the loop says first that it sleeps, and then looks whether it
 * was asked: one of the two sees the other. */
void plait__loop_ring(struct plait__loop *loop)
{
        struct plait__strand *sentinel = PLAIT__SLEEPS;

        if (atomic_compare_exchange_strong_explicit(&loop->inbox, &sentinel, NULL, memory_order_seq_cst, memory_order_seq_cst))
                ring(loop);
}

void plait__loop_drain(struct plait__loop *loop)
{
        struct plait__strand *strand, *next, *list = NULL;

        if (!inbox_filled(loop))
                return;
        strand = atomic_exchange_explicit(&loop->inbox, NULL, memory_order_acquire);
        for (; strand; strand = next) {         /* the last that came is first: turned round */
                next = strand->inbox_next;
                strand->inbox_next = list;
                list = strand;
        }
        for (; list; list = next) {
                next = list->inbox_next;
                /* acquire: what its waker wrote, even one that found `remote` set; release: our reading of the link */
                atomic_exchange_explicit(&list->remote, 0, memory_order_acq_rel);
                if (plait__unlikely(plait__load(&list->cancelled) & PLAIT__SPREAD))
                        plait__spread(list);
                plait__unpark(list);
        }
}

/* ---- looking at the outside */

static void look_timers(struct plait__loop *loop)
{
        struct plait__timer *timer;

        while ((timer = plait__timers_pop(&loop->timers, loop->now)))
                plait__unpark(plait__container(timer, struct plait__strand, timer));
}

/* Where fetch_ahead() (strand.c) begins. Not with a `pick` of its own, which takes strands out of turn. */
static void look_ahead(struct plait__loop *loop)
{
        loop->ahead = loop->seams.pick ? NULL : loop->ready;
        for (int i = 0; i < AHEAD && loop->ahead; i++)
                loop->ahead = loop->ahead->next;
}

void plait__loop_look(struct plait__loop *loop)
{
        struct plait__source *source;

        loop->budget = BUDGET;
        loop->outside.looks++;
        if (plait__unlikely(plait__load(&loop->outside.asked)))
                plait__loop_attend(loop);
        look_ahead(loop);
        plait__loop_drain(loop);
        for (source = loop->sources; source; source = source->next)
                source->look(source, loop);
        if (!loop->timers.count && !loop->poller)
                return;
        plait__loop_now(loop);
        look_timers(loop);
        if (loop->poller && loop->ready && loop->now - loop->polled >= POLL_EVERY)
                loop->seams.poll(loop, 0);
}

void plait__loop_idle(struct plait__loop *loop)
{
        for (;;) {
                plait__loop_look(loop);
                if (loop->ready)
                        return;
                plait__stack_trim(loop);
                loop->seams.poll(loop, plait__timers_next(&loop->timers));
        }
}

/* ---- the life of a loop */

static void thread_ends(void *loop)
{
        plait__loop_end(loop);
}

static void child_of_fork(void)
{
        plait__store(&plait__loop_forked, true);
        plait__loop_here = NULL;                /* so that every call comes by plait__loop_check() */
}

static struct plait__loop *loop_memory(void)
{
        struct plait__loop *loop;

        plait__spin_acquire(&guard);
        if (!prepared) {
                prepared = pthread_key_create(&key, thread_ends) == 0 && pthread_atfork(NULL, NULL, child_of_fork) == 0;
                unused = &first;
                plait__store(&all, &first);
        }
        loop = unused;
        if (loop)
                unused = loop->next_free;
        plait__spin_release(&guard);
        if (loop)
                return loop;
        loop = plait__sys.alloc(sizeof *loop);
        if (!loop)
                return NULL;
        loop->next = plait__load(&all);
        /* release: its link, for plait__loop_all() */
        while (!atomic_compare_exchange_weak_explicit(&all, &loop->next, loop, memory_order_release, memory_order_relaxed))
                ;
        return loop;
}

static void loop_unused(struct plait__loop *loop)
{
        plait__spin_acquire(&guard);
        loop->next_free = unused;
        unused = loop;
        plait__spin_release(&guard);
}

struct plait__loop *plait__loop_new(struct plait__loop *maker)
{
        struct plait__loop *loop = loop_memory();

        if (!loop)
                return NULL;
        loop->main = plait__record_new(maker ? maker : loop);
        if (!loop->main) {
                loop_unused(loop);
                return NULL;
        }
        loop->seams = plait__seams;
        plait__store(&loop->bell, &loop->own_bell);
        loop->ready = NULL;
        loop->ready_end = &loop->ready;
        loop->budget = BUDGET;
        loop->simulated = false;
        plait__store(&loop->outside.helper, false);
        loop->outside.watches = 0;
        loop->outside.holder = NULL;
        plait__timers_init(&loop->timers, plait__loop_now(loop));
        loop->main->since = loop->now;
        loop->random_state = (uint64_t)plait__clock_now() * 2 + 1;
        loop->main->strand.loop = loop;
        plait__store(&loop->main->strand.state, PLAIT__MAIN);
        loop->current = loop->line = &loop->main->strand;
        return loop;
}

void plait__loop_free(struct plait__loop *maker, struct plait__loop *loop)
{
        plait__record_free(maker, loop->main);
        loop_unused(loop);
}

void plait__loop_adopt(struct plait__loop *loop)
{
        loop->errno_here = &errno;
        loop->exceptions_here = plait__exceptions_here();
        plait__fiber_adopt(&loop->main->fiber);
        pthread_setspecific(key, loop);
        plait__loop_here = loop;
        loop->outside.tid = (pid_t)plait__sys.gettid();
        plait__store_release(&loop->outside.alive, true);       /* pairs with src/inspect */
        plait__loop_made(loop);
}

void plait__loop_return(struct plait__loop *loop)
{
        plait__loop_here = loop;
        pthread_setspecific(key, loop);
}

void plait__loop_check(const char *call)
{
        if (plait__load(&plait__loop_forked))
                plait__panic(call, "used after fork: a child of fork() must exec before it uses plait");
}

struct plait__loop *plait__loop_make(const char *call)
{
        struct plait__loop *loop;

        plait__loop_check(call);
        loop = plait__loop_new(NULL);
        if (loop)
                plait__loop_adopt(loop);
        return loop;
}

void plait__loop_end(struct plait__loop *loop)
{
        unsigned i;

        plait__record_end_locals(loop->main);
        if (plait__load(&loop->lodgers))
                plait__panic("end of a thread", "a detached group that was opened on it is still open");
        plait__store(&loop->outside.alive, false);
        for (i = 0; i < PLAIT__LOOP_LOCALS; i++) {
                if (loop->locals[i].value && loop->locals[i].end)
                        loop->locals[i].end(loop->locals[i].value);
                loop->locals[i].value = NULL;
        }
        plait__services_end(loop);
        plait__loop_drain(loop);
        plait__poller_end(loop);
        plait__record_free(loop, loop->main);
        plait__record_stock_return(loop);
        plait__stack_stock_return(loop);
        plait__overflow_thread_ends(loop);
        plait__loop_here = NULL;
        pthread_setspecific(key, NULL);
        loop_unused(loop);
}

void **plait__loop_local(struct plait__loop *loop, unsigned index, void (*end)(void *value))
{
        loop->locals[index].end = end;
        return &loop->locals[index].value;
}

struct plait__loop *plait__loop_all(void)
{
        return plait__load_acquire(&all);       /* pairs with loop_memory() */
}
