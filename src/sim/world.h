/* A simulated world: a loop of its own, put in place of the calling thread's, whose seams decide what comes next.
 *
 * The thread's main line there is plait_simulate() itself, which only waits for the end. fn is a strand beside it,
 * the root. Each strand has a slot while it lives, which says of which simulated thread and process it is. Where one
 * thread is interrupted outside a waiting call, its own coroutines must not run (`held`): only those of other
 * threads.
 *
 * All of it belongs to one thread. What is drawn comes from three streams, so that taking faults away does not
 * change who is chosen. */
#ifndef PLAIT__WORLD_H
#define PLAIT__WORLD_H

#include <setjmp.h>
#include <sys/epoll.h>

#include "core/strand.h"
#include "sim/sim.h"
#include "task/executor.h"
#include "task/group.h"

/* What goes into the hash, and by name into the trace. */
enum plait__sim_event {
        PLAIT__SIM_RUN,                         /* a strand was chosen */
        PLAIT__SIM_PARK,                        /* detail: why */
        PLAIT__SIM_END,
        PLAIT__SIM_FAULT,                       /* detail: enum plait__sim_fault */
        PLAIT__SIM_READY,                       /* detail: how many descriptors were told to be ready */
        PLAIT__SIM_WAKE,                        /* woken for no reason */
        PLAIT__SIM_CANCEL,                      /* everything, from outside */
        PLAIT__SIM_STUCK                        /* detail: the result */
};

enum plait__sim_fault {
        PLAIT__FAULT_MEMORY,
        PLAIT__FAULT_THREAD,
        PLAIT__FAULT_PROCESS,
        PLAIT__FAULT_DEATH,
        PLAIT__FAULT_RESET,
        PLAIT__FAULT_REFUSED,
        PLAIT__FAULT_DESCRIPTORS,
        PLAIT__FAULT_CLOCK
};

enum plait__sim_stream { PLAIT__CHOICES, PLAIT__FAULTS, PLAIT__DELAYS, PLAIT__STREAMS };

/* A pool as it is simulated: per executor and process, with its places. */
struct plait__crew {
        struct plait__crew *next;
        plait_executor *executor;
        uint32_t process;
        bool processes;                         /* a place is kept while parked */
        unsigned places;                        /* 0: no bound */
        unsigned computing;
        unsigned live;                          /* queued or begun */
        unsigned idle;                          /* workers that have run their initializer, and nothing now */
        struct plait__link queue;               /* tasks, by strand.wait */
        struct plait__strand *closer;
        bool cut;
};

struct plait__sim_slot {
        struct plait__strand *strand;           /* NULL: free */
        uint32_t next_free;
        uint32_t ordinal;         /* never used twice */
        uint32_t line;            /* the slot of its thread's main line: its own, unless it is a coroutine */
        uint32_t process;         /* the slot of its process's first strand */
        bool computing;           /* it has a place of its crew */
        bool initialized, died;   /* as a worker of it */
        struct plait__crew *crew; /* NULL: a coroutine */
        int64_t priority;
        uint64_t stamp;                         /* when it became ready, in the order of that */
        uint32_t points, yields;                /* since it parked */

        /* of a main line */
        uint32_t held;                          /* the strand of the thread that was interrupted; 0: none */
        struct plait__strand *unbegun, **unbegun_end;   /* its coroutines begin in the order they were started */

        /* of a process */
        uint32_t members;                       /* strands in it */
        jmp_buf *escape;                        /* how it dies; NULL: it cannot now */
        int death;                              /* what its task then returns */
        void *copy;                             /* its struct */
        plait_time kill_at;
        int kill_reason;
};

struct plait__pending {                         /* readiness that was not told yet */
        uint64_t data;                          /* epoll's */
        uint32_t events;
        plait_time due;
};

struct plait__world {
        struct plait__experiment *experiment;
        struct plait__loop *loop;
        plait_time beginning, now;
        uint64_t random[PLAIT__STREAMS];
        uint64_t steps, steps_max, waits, hash, faults;
        bool busy;                              /* in the simulation's own work: no points */
        bool begun, ended;                      /* the root has */
        bool unwinding;                         /* everything is cancelled; no faults */
        bool over;                              /* the main line shall run */
        int result;
        plait_fn *root, *fn;                    /* root: what calls fn, on its strand */
        void *arg;
        plait_scope scope;                      /* around fn */
        plait_group left;                       /* of strands that belong to nobody */

        /* strands */
        struct plait__sim_slot *slots;              /* from 1 */
        uint32_t slot_count, slot_room, free_slot, ordinals, live, lines;
        uint32_t *ready;                        /* slots, in no order */
        uint32_t ready_count, ready_room;
        uint64_t stamps;
        uint32_t running;                       /* 0: it has been accounted for */
        uint32_t interrupted;                   /* in a point; 0: none */
        struct plait__crew *crews;
        unsigned workers;                       /* of the shared pools */

        /* by priority */
        bool by_priority;
        unsigned changes, changed;
        uint64_t change_at[16];
        int64_t floor;                          /* below all priorities */

        /* faults, descriptors */
        uint32_t fault_below;                   /* of 2^32 */
        bool always_fails;
        plait_time delay;
        bool stirred;                           /* something was done that may have made a descriptor ready */
        struct plait__pending *pending;
        size_t pending_count, pending_room;
        uint64_t *registered;                   /* by descriptor: epoll's data, or 0 */
        size_t registered_room;
};

extern __thread struct plait__world *plait__world_here __attribute__((tls_model("initial-exec")));

/* ---- world.c */

/* A number below `bound`, which is not 0. */
uint64_t plait__draw(struct plait__world *world, enum plait__sim_stream stream, uint64_t bound);

/* Memory of the simulation's own, which does not fail; `count` of them are kept. */
void *plait__sim_grow(void *memory, size_t count, size_t room, size_t size);

static inline bool plait__sim_steady(const struct plait__world *world)
{
        uint64_t until = world->experiment->simulation.choices_until;

        return world->unwinding || (until && world->steps >= until);
}

uint32_t plait__slot_new(struct plait__world *world, struct plait__strand *strand, uint32_t line, uint32_t process);
void plait__slot_free(struct plait__world *world, uint32_t index);

/* The slot of who runs. */
uint32_t plait__slot_here(const struct plait__world *world);

plait_time plait__sim_now(struct plait__loop *loop);
void plait__sim_poll(struct plait__loop *loop, plait_time until);
void plait__sim_clock(struct plait__world *world, plait_time now);

/* fn cannot go on: `result` stands, and everything is cancelled so that it unwinds; if that was done before, it is
 * over. */
void plait__sim_stop(struct plait__world *world, int result);

/* Everything is cancelled. */
void plait__sim_unwind(struct plait__world *world);
void plait__sim_cancel(struct plait__world *world);

/* What cannot be ended is given up. */
void plait__sim_abandon(struct plait__world *world);

/* ---- pick.c */

struct plait__strand *plait__sim_pick(struct plait__loop *loop);
void plait__sim_point(struct plait__loop *loop, bool waits);
void plait__sim_policy(struct plait__world *world);

/* ---- executor.c */

void plait__crew_admit(struct plait__world *world);
void plait__crew_leave(struct plait__world *world, struct plait__sim_slot *slot);
void plait__crew_end(struct plait__world *world);

/* The strand is in a process that dies here, if that is so: then it does not return. */
void plait__sim_mortal(struct plait__world *world);

/* ---- faults.c, descriptors.c */

/* Whether a call fails here. */
bool plait__sim_fails(struct plait__world *world, enum plait__sim_fault fault);
extern struct plait__sys plait__sim_real;       /* the table below the hooks */

/* What is told of readiness: with the kernel's events in, and those that are due out. */
int plait__sim_events(struct plait__world *world, int epoll, struct epoll_event *events, int count);
void plait__sim_registered(struct plait__world *world, int operation, int fd, const struct epoll_event *event);

/* The descriptor will be said to be ready, later; false: nobody is to be told. */
bool plait__sim_postpone(struct plait__world *world, int fd);

/* When the next is due. */
plait_time plait__sim_next_event(const struct plait__world *world);

/* ---- trace.c */

void plait__sim_event(struct plait__world *world, enum plait__sim_event event, uint32_t slot, int detail);

/* A line for each strand that waits. */
void plait__sim_tell_waiting(struct plait__world *world);

#endif
