/* A thread's scheduler: the strands that are ready, the timers, the descriptors. Every thread that waits in plait has one,
 * made when first needed. All of it belongs to its thread, but for the inbox, through which other threads wake strands.
 *
 * There is no scheduler context: who parks takes the next ready strand and switches to it; if none is ready, the one who
 * parks runs the poller on its own stack, and simply returns when it is itself the one that is woken.
 *
 * Loops are type-stable like records: a wake-up that comes too late must find an inbox. */
#ifndef PLAIT__LOOP_H
#define PLAIT__LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "core/record.h"
#include "core/stack.h"
#include "core/timers.h"

enum { PLAIT__LOOP_LOCALS = 4 };

/* In the inbox, in place of NULL, while the loop sleeps. */
#define PLAIT__SLEEPS ((struct plait__strand *)1)

/* The seams. A test or a simulation gives a loop its own. */
struct plait__seams {
        plait_time (*now)(struct plait__loop *loop);
        /* Waits until something may be ready, at most to `until`; nothing else of the loop runs meanwhile. A moment that
         * is past: only looks. */
        void (*poll)(struct plait__loop *loop, plait_time until);
        struct plait__strand *(*pick)(struct plait__loop *loop);       /* NULL: first in, first out */
        uint64_t (*random)(struct plait__loop *loop);
        void (*point)(struct plait__loop *loop, bool waits);           /* only of a simulated loop: see plait__point() */
};

/* A place outside the loop where strands of it become ready, looked at between strands and before sleeping (the process
 * engine's completions). `arm` returns false if something has come since: then the loop does not sleep. */
struct plait__source {
        struct plait__source *next;
        bool (*peek)(const struct plait__source *source);              /* whether a look would find something; while spinning */
        void (*look)(struct plait__source *source, struct plait__loop *loop);
        bool (*arm)(struct plait__source *source, struct plait__loop *loop);
        void (*disarm)(struct plait__source *source, struct plait__loop *loop);
};

struct plait__poller;
struct plait__visit;

/* What is seen of a loop from outside (src/inspect). */
struct plait__outside {
        _Atomic bool alive;                     /* its thread runs; release: tid, for who finds it set */
        _Atomic bool helper;                    /* of a thread of the library's own, which waits elsewhere (the monitor) */
        pid_t tid;
        _Atomic uint32_t asked;                 /* to stop for a moment at its next look: inspect/world.c */
        struct plait__visit *visit;             /* while it does */
        uint64_t looks;                         /* how often it has looked outside */
        uint32_t watches;                       /* descriptors that somebody waits for, or has lasting interest in */

        /* the watchdog's own: since when it sees the same strand running, and whether it has said so */
        struct plait__strand *holder;
        uint64_t holder_looks;
        unsigned holder_budget;
        bool holder_told;
        plait_time holder_since;
};

struct plait__loop {
        /* switching */
        struct plait__strand *current;
        struct plait__strand *ready, **ready_end;
        struct plait__strand *ahead;            /* some places behind the first that is ready, or NULL: see next_ready() */
        unsigned budget;                        /* switches until the outside is looked at again */
        bool simulated;                         /* all threads and processes are strands of this loop: src/sim */
        int *errno_here;
        void **exceptions_here;
        struct plait__stack *ended_stack;       /* of a strand that has just ended: its successor gives it back */
        struct plait__fiber ended_fiber;
        void *ended_context;
        struct plait__fiber *left;              /* whom the last switch left: the sanitizers ask */

        /* waking from other threads: see plait__loop_push() */
        _Atomic(struct plait__strand *) inbox;
        _Atomic uint32_t *_Atomic bell;         /* 1: rung; a futex: own_bell, or a word that other processes see too */
        _Atomic uint32_t own_bell;
        _Atomic bool sleeps_in_poller;          /* how it sleeps, written before the inbox says that it does; relaxed */
        plait__spin ringing;                    /* held while another thread writes the poller's eventfd: it may be ending */
        bool woke;                              /* it has just woken a sleeping thread: see spin() in loop.c */
        bool woke_process;                      /* likewise a worker process: does not spin */
        uint8_t hot;                            /* credit for spinning before sleeping */
        uint8_t cold;                           /* so many sleeps more earn no credit: spinning did not pay */

        struct plait__seams seams;
        struct plait__timers timers;
        struct plait__poller *poller;           /* NULL until the first descriptor */
        struct plait__source *sources;
        plait_time now;                         /* as of the last look */
        plait_time polled;                      /* when descriptors were last looked at */

        struct plait_task *main;                /* the record of the thread's own main line */
        struct plait__strand *line;             /* who has the thread's own stack: main, or the pool task it runs */
        struct plait_task *records;             /* stock of free records */
        size_t record_count;
        struct plait__stack_stock stacks[PLAIT__STACK_CLASSES];
        struct plait__link services;
        _Atomic unsigned lodgers;                     /* open detached groups that live here: the thread may not end */
        uint64_t next_id, last_id;              /* ids are handed to loops in blocks */
        uint64_t random_state;
        void *alternate_stack;                  /* of signal handlers, if it is ours */

        /* Told around every sleep, a pool's thread has one. False: it wants to be asked again in a moment. */
        bool (*blocks)(struct plait__loop *loop, bool blocked);
        void *owner;                            /* of a pool's thread: the thread; else NULL */
        struct plait_gil *gil;                  /* of the pool that this thread is of, or NULL */

        struct { void *value; void (*end)(void *value); } locals[PLAIT__LOOP_LOCALS];

        struct plait__outside outside;

        struct plait__loop *next;               /* all loops ever made, or the free ones */
        struct plait__loop *next_free;
};

extern PLAIT_API __thread struct plait__loop *plait__loop_here __attribute__((tls_model("initial-exec")));

/* New loops begin with these. */
extern PLAIT_API struct plait__seams plait__seams;

/* The loop of this thread, made if need be; NULL: no memory. Aborts in a child of fork(), naming `call`. */
PLAIT_API struct plait__loop *plait__loop_make(const char *call);

/* Aborts in a child of fork(), naming `call`. */
PLAIT_API void plait__loop_check(const char *call);

/* A loop for a thread that is about to be started, so that nothing can fail in that thread; NULL: no memory. The thread
 * adopts it, or if there is no thread after all, it is given back. */
struct plait__loop *plait__loop_new(struct plait__loop *maker);
void plait__loop_adopt(struct plait__loop *loop);
void plait__loop_free(struct plait__loop *maker, struct plait__loop *loop);

/* The thread is back on a loop that it had left for another, or (NULL) on none. */
void plait__loop_return(struct plait__loop *loop);

static inline struct plait__loop *plait__loop_get(const char *call)
{
        struct plait__loop *loop = plait__loop_here;

        return __builtin_expect(loop != NULL, 1) ? loop : plait__loop_make(call);
}

/* For calls that need no strand, first of all: aborts in a child of fork(), where no thread has a loop. */
static inline void plait__not_forked(const char *call)
{
        if (__builtin_expect(plait__loop_here == NULL, 0))
                plait__loop_check(call);
}

static inline plait_time plait__loop_now(struct plait__loop *loop)
{
        return loop->now = loop->seams.now(loop);
}

/* A place where a simulation may let others run: strands of other threads, and if this call may wait (`waits`) also those of
 * this one. Stands on entry of calls that touch what strands share, with no guard held. */
static inline void plait__point(struct plait__loop *loop, bool waits)
{
        if (__builtin_expect(loop->simulated, 0))
                loop->seams.point(loop, waits);
}

/* Likewise, for calls that need no loop. */
static inline void plait__point_here(void)
{
        if (__builtin_expect(plait__loop_here != NULL, 1))
                plait__point(plait__loop_here, false);
}

/* Links a strand of this loop behind the ready ones. */
static inline void plait__loop_append(struct plait__loop *loop, struct plait__strand *strand)
{
        strand->next = NULL;
        *loop->ready_end = strand;
        loop->ready_end = &strand->next;
}

/* Puts the strand into its home loop's inbox and wakes that loop if it sleeps. Any thread. The strand's `remote` says that
 * it is there already. */
PLAIT_API void plait__loop_push(struct plait__strand *strand);

/* Wakes the loop if it sleeps, for no strand: it looks outside. Any thread. */
void plait__loop_ring(struct plait__loop *loop);

/* Both in src/inspect. A thread has its loop; the loop was asked to stop for a moment, and its thread is between two strands. */
void plait__loop_made(struct plait__loop *loop);
void plait__loop_attend(struct plait__loop *loop);

/* Takes what other threads have put into the inbox. */
void plait__loop_drain(struct plait__loop *loop);

/* Looks at the outside: inbox, sources, timers, and descriptors now and then. */
void plait__loop_look(struct plait__loop *loop);

/* Returns when a strand is ready; sleeps until then. */
void plait__loop_idle(struct plait__loop *loop);

/* A slot of data of this loop, for other libraries of ours; `end` is called when the thread ends, or in plait__loop_end(). */
PLAIT_API void **plait__loop_local(struct plait__loop *loop, unsigned index, void (*end)(void *value));

/* Ends this thread's loop: descriptors, stock, locals. The thread's last call into plait. */
void plait__loop_end(struct plait__loop *loop);

/* All loops ever made, newest first; the list never gets shorter. For plait_close(). */
struct plait__loop *plait__loop_all(void);

/* Turns true in a child of fork(): its threads and loops are not there. */
extern _Atomic bool plait__loop_forked;

#endif
