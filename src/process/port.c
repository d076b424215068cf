/* Jobs are known here by bits: a worker sets the job's bit, then the bit of that word in the summary, and then wakes the loop if it
 * says that it is asleep. A worker that dies between the two is no harm: the monitor finds the word DONE and does it again;
 * nor is a bit set twice. (A ring of ended jobs was not taken: who dies between taking a place and filling it blocks it.)
 *
 * The loop sleeps in a futex which lies in the region, so that a worker wakes it with one system call. A loop that sleeps in its
 * poller is woken by way of the monitor, since an eventfd made after the fork server cannot be seen in it; so is the loop of a
 * worker that has a pool of its own, since it sleeps in a futex of its parent's region.
 *
 * A port's jobs may be taken by any thread: bits are taken by an exchange, jobs under the region's lock. So the monitor helps out
 * when the loop has ended, or does not look for a long time because its thread computes. */
#include "process/port.h"

#include <linux/futex.h>

#include "base/sys.h"
#include "core/strand.h"
#include "process/pool.h"
#include "process/monitor.h"
#include "task/group.h"

enum { LOCAL = 3 };                             /* the loop's slot of data */

struct here {
        struct plait__source source;            /* first */
        struct plait__loop *_Atomic loop;       /* NULL: it has ended, or there never was one; written with the lock held */
        _Atomic unsigned away;                  /* jobs that will be told here; written with the lock held */
        _Atomic bool used;                      /* likewise */
        bool waited;                            /* the monitor's own: it was told when plait__ports_sweep() came by last */
};

static struct here ports[PLAIT__PORTS];         /* guarded by the region's lock, but for the source */

static struct plait__port *shared(const struct here *here)
{
        return &plait__region.head->ports[here - ports];
}

/* ---- telling */

bool plait__port_tell(struct plait__region_head *head, int monitor_fd, unsigned job)
{
        struct plait__port *port = &head->ports[head->jobs[job].port];
        uint64_t one = 1;
        uint32_t asleep;

        atomic_fetch_or_explicit(&port->ended[job / 64], (uint64_t)1 << job % 64, memory_order_release);        /* pairs with take() */
        atomic_fetch_or_explicit(&port->summary, (uint64_t)1 << job / 64, memory_order_seq_cst);        /* before we look at asleep; see arm() */
        if (plait__likely(atomic_load_explicit(&port->asleep, memory_order_seq_cst) == PLAIT__AWAKE))
                return false;
        asleep = atomic_exchange_explicit(&port->asleep, PLAIT__AWAKE, memory_order_relaxed);
        if (asleep == PLAIT__IN_FUTEX) {
                plait__store(&port->bell, 1);
                plait__sys.futex(&port->bell, FUTEX_WAKE, 1, NULL, 0);
        } else if (asleep == PLAIT__IN_POLLER) {
                plait__sys.write(monitor_fd, &one, sizeof one);
        }
        return asleep != PLAIT__AWAKE;
}

/* ---- hearing */

static void take(struct plait__port *port, struct plait__loop *loop)
{
        uint64_t words = atomic_exchange_explicit(&port->summary, 0, memory_order_acquire), bits;
        unsigned word, job;

        while (words) {
                word = (unsigned)__builtin_ctzll(words);
                words &= words - 1;
                bits = atomic_exchange_explicit(&port->ended[word], 0, memory_order_acquire);
                while (bits) {
                        job = word * 64 + (unsigned)__builtin_ctzll(bits);
                        bits &= bits - 1;
                        plait__job_told(job, loop);
                }
        }
}

static bool peek(const struct plait__source *source)
{
        return plait__load(&shared((const struct here *)source)->summary) != 0;
}

static void look(struct plait__source *source, struct plait__loop *loop)
{
        if (peek(source))
                take(shared((struct here *)source), loop);
}

static bool arm(struct plait__source *source, struct plait__loop *loop)
{
        struct plait__port *port = shared((struct here *)source);

        if (!plait__load(&((struct here *)source)->away))
                return true;
        atomic_store_explicit(&port->asleep, loop->poller || plait__load(&loop->bell) != &port->bell ? PLAIT__IN_POLLER : PLAIT__IN_FUTEX,
                              memory_order_seq_cst);
        return atomic_load_explicit(&port->summary, memory_order_seq_cst) == 0;        /* pairs with plait__port_tell() */
}

static void disarm(struct plait__source *source, struct plait__loop *loop)
{
        struct plait__port *port = shared((struct here *)source);

        (void)loop;
        if (plait__load(&port->asleep))
                plait__store(&port->asleep, PLAIT__AWAKE);
}

/* ---- opening and closing */

static void release(struct here *here)
{
        if (!plait__load(&here->loop) && !plait__load(&here->away))
                plait__store(&here->used, false);
}

static void loop_ends(void *value)
{
        struct here *here = value;
        struct plait__loop *loop = plait__load(&here->loop);
        struct plait__source **link = &loop->sources;

        while (*link != &here->source)
                link = &(*link)->next;
        *link = here->source.next;
        if (plait__load(&loop->bell) == &shared(here)->bell)
                plait__store(&loop->bell, &loop->own_bell);
        plait__spin_acquire(&plait__region.lock);
        plait__store(&here->loop, NULL);
        release(here);
        plait__spin_release(&plait__region.lock);
        plait__monitor_kick();                  /* what is still away is the monitor's to hear of */
}

static struct here *open_port(struct plait__loop *loop)
{
        struct here *here = NULL;
        int i;

        plait__spin_acquire(&plait__region.lock);
        for (i = 1; i < PLAIT__PORTS && !here; i++)
                if (!plait__load(&ports[i].used))
                        here = &ports[i];
        if (here) {
                plait__store(&here->used, true);
                plait__store(&here->loop, loop);
        }
        plait__spin_release(&plait__region.lock);
        if (!here)
                return NULL;
        here->source = (struct plait__source){.next = loop->sources, .peek = peek, .look = look, .arm = arm, .disarm = disarm};
        loop->sources = &here->source;
        if (plait__load(&loop->bell) == &loop->own_bell)        /* in a worker it is the slot's, and stays so */
                plait__store(&loop->bell, &shared(here)->bell);
        return here;
}

unsigned plait__port_for(const plait_group *group)
{
        struct plait__loop *loop = plait__loop_here;
        void **place;

        if (group && plait__group_of(group)->loop != loop)
                return 0;
        place = plait__loop_local(loop, LOCAL, loop_ends);
        if (!*place)
                *place = open_port(loop);
        return *place ? (unsigned)((struct here *)*place - ports) : 0;
}

void plait__port_count(unsigned port, int jobs)
{
        plait__store(&ports[port].away, plait__load(&ports[port].away) + (unsigned)jobs);
        if (port)
                release(&ports[port]);
}

/* ---- the monitor's part */

void plait__ports_look(struct plait__loop *loop)
{
        struct plait__loop *home;
        struct here *here;

        for (here = ports; here < ports + PLAIT__PORTS; here++) {
                if (here != ports && !plait__load(&here->used))
                        continue;
                if (plait__load(&shared(here)->summary) == 0)
                        continue;
                plait__spin_acquire(&plait__region.lock);
                home = plait__load(&here->loop);
                if (home)
                        plait__unpark(&home->main->strand);     /* with the lock, so that the loop is there */
                plait__spin_release(&plait__region.lock);
                if (!home)
                        take(shared(here), loop);
        }
}

bool plait__ports_arm(void)
{
        struct here *here;
        bool quiet = true;

        for (here = ports; here < ports + PLAIT__PORTS; here++) {
                if (here != ports && (!plait__load(&here->used) || plait__load(&here->loop)))
                        continue;
                atomic_store_explicit(&shared(here)->asleep, PLAIT__IN_POLLER, memory_order_seq_cst);
                quiet &= atomic_load_explicit(&shared(here)->summary, memory_order_seq_cst) == 0;      /* pairs with plait__port_tell() */
        }
        return quiet;
}

bool plait__ports_sweep(struct plait__loop *loop)
{
        struct here *here;
        bool told, found = false;

        for (here = ports + 1; here < ports + PLAIT__PORTS; here++) {
                if (!plait__load(&here->used))
                        continue;
                told = plait__load(&shared(here)->summary) != 0;
                if (told && here->waited)
                        take(shared(here), loop);
                here->waited = told;
                found |= told;
        }
        return found;
}

bool plait__ports_away(void)
{
        struct here *here;

        for (here = ports; here < ports + PLAIT__PORTS; here++)
                if (plait__load(&here->away))
                        return true;
        return false;
}
