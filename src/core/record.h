/* The task record: the strand (what runs, parks and is woken) and the task (function, struct, result) in one piece of 256
 * bytes. Records lie dense in one table and are type-stable: never unmapped, never used for anything else, so that a wake-up
 * which comes too late finds a strand still, and a reader outside the process can walk the table.
 *
 * A thread's main line is a strand too, and so has a record; a task that runs on a pool's thread is that thread's main line
 * while it runs. The layout is part of the interface to tools (ps, trace, debugger): PLAIT__RECORD_VERSION goes up with every
 * change of it. */
#ifndef PLAIT__RECORD_H
#define PLAIT__RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "arch/tools.h"
#include "base/list.h"
#include "core/scope.h"
#include "core/timers.h"
#include "plait/executor.h"
#include "plait/group.h"
#include "plait/task.h"

#define PLAIT__RECORD_VERSION 3

struct plait__loop;
struct plait__stack;

/* Where a record is in its life; written by the thread that runs the strand, read by anybody. */
enum plait__state {
        PLAIT__FREE,                            /* in a list of free records */
        PLAIT__NEW,                             /* started, not begun: no stack yet */
        PLAIT__RUNNING,                         /* begun: running, ready or parked (see reason) */
        PLAIT__ENDED,                           /* its result stands */
        PLAIT__MAIN,                            /* a thread's main line */
        PLAIT__AWAY                             /* runs in another process */
};

/* Why a strand is parked. Each says whether its stack might be put away meanwhile (nobody else looks into it). */
enum plait__reason {
        PLAIT__NOT_PARKED,
        PLAIT__ON_SLEEP,                        /* may be put away */
        PLAIT__ON_LOCK,                         /* may */
        PLAIT__ON_QUEUE,                        /* may not: the item is copied from and to its frames */
        PLAIT__ON_EVENT,                        /* may */
        PLAIT__ON_READ,                         /* may */
        PLAIT__ON_WRITE,                        /* may */
        PLAIT__ON_POLL,                         /* may not: its pollfds are on the stack */
        PLAIT__ON_TASK,                         /* may not: an open group */
        PLAIT__ON_GROUP,                        /* may not */
        PLAIT__ON_GIL,                          /* may */
        PLAIT__ON_WORK,                         /* a pool's thread without work */
        PLAIT__ON_HTTP,                         /* may not: the response is on the stack */
        PLAIT__ON_CLOSE,                        /* may not */
        PLAIT__ON_SIGNAL,                       /* may */
        PLAIT__ON_CONDITION,                    /* may */
        PLAIT__ON_SEMAPHORE,                    /* may */
        PLAIT__ON_BARRIER,                      /* may */
        PLAIT__ON_ONCE,                         /* may */
        PLAIT__ON_FUTURE,                       /* may */
        PLAIT__ON_RWLOCK,                       /* may */
        PLAIT__ON_SELECT                        /* may not: its registrations, and items as for a queue */
};

/* What one waits for who is parked so, in words: "a lock". */
const char *plait__reason_words(enum plait__reason reason);

enum plait__record_flags {
        PLAIT__POSTED = 1,                      /* no handle; the record goes when it ends; runs even if cancelled by then */
        PLAIT__SERVICE = 2,                     /* the library's own strand: of no group, dropped with its loop */
        PLAIT__OWN_BYTES = 4,                   /* arg is a copy of ours */
        PLAIT__QUEUED = 8,                      /* in its executor's queue, by its wait link */
        PLAIT__WITHHELD = 16,                   /* behind its group's limit */
        PLAIT__FAILED = 32,                     /* in its group's ring of failures: kept until the group is forgotten */
        PLAIT__AWAITED = 64,                    /* strands of other threads wait for it (task/watchers.c) */
        PLAIT__TAKEN = 128                      /* a pool's task that its waiter runs */
};

/* Interest in a descriptor: in the list of one entry of the loop's poller. */
struct plait__watch {
        struct plait__link link;
        uint32_t events;                        /* of poll(2); PLAIT__STICKY: it stays, and is a struct plait__interest */
        uint32_t revents;                       /* what came */
        struct plait__strand *strand;           /* who is woken */
};

struct plait__strand {
        /* switching: one cache line */
        void *context;                          /* plait__switch()'s word while it does not run */
        struct plait__loop *loop;               /* fixed while it runs: a started coroutine never changes its thread */
        struct plait__strand *next;             /* in the ready list, the free list, or the list of ended tasks */
        plait_time deadline;                    /* the earliest that holds for it */
        struct plait__scope *scope;             /* innermost; NULL: none of its own */
        struct plait__stack *stack;             /* NULL: a main line, or not begun */
        uint8_t parked, permit;                 /* of its loop's thread alone */
        uint8_t reason;
        _Atomic uint8_t state;                  /* enum plait__state */
        uint8_t flags;
        uint8_t stack_class;
        _Atomic uint8_t cancelled;              /* enum plait__cancelled; relaxed, like a scope's */
        _Atomic uint8_t granted;                /* release by who hands something over, acquire by who waited */
        _Atomic uint32_t remote;                /* 1: it is in its loop's inbox; see loop.c */
        uint32_t insists : 1;                   /* its wait is not cut short: an acquire that cannot fail */
        uint32_t simulated : 31;                /* its slot in a simulation (src/sim), or 0 */

        /* waiting */
        struct plait__strand *inbox_next;       /* in its loop's inbox: written by who pushes, read by the loop */
        struct plait__timer timer;
        union {
                struct {
                        struct plait__link wait;        /* in the list of what it waits for, under that object's guard */
                        void *slot;                     /* what is handed over: an item's place */
                        void *object;                   /* what it waits for: set before it parks, src/inspect reads it */
                };
                struct plait__watch watch;              /* when that is a descriptor */
        };
        struct plait_gil *gil;                  /* held, and given up around waiting; NULL: none */
        plait_group *groups;                    /* open groups of its own whose tasks run on other threads (task/cancel.c) */
} __attribute__((aligned(16)));                 /* what sanitizers add to a record included: see sync/waiters.h */

enum plait__cancelled {
        PLAIT__CANCELLED = 1,                   /* the task itself, alone */
        PLAIT__SPREAD = 2,                      /* its home loop shall wake what is below it (task/cancel.c) */
        PLAIT__WATCHED = 4                      /* somebody waits for its end (task/watchers.c) */
};

struct plait__extra {                           /* what few tasks have */
        plait_time within, kill_after;
        plait_time not_before;                  /* the moment at which it may begin; 0: any */
        plait_time deadline;                    /* 0 until the task begins, and when it has none of its own */
        size_t stack_bytes;
        struct plait__locals *locals;           /* its strand-local values (sync/local.c), or NULL */
        pid_t pid;
        char name[32];
        unsigned retries;                       /* runs left after its worker died */
};

struct plait_task {
        struct plait__strand strand;
        plait_group *group;                     /* NULL: a main line or a service */
        struct plait__link siblings;            /* in its group's list of tasks */
        plait_fn *fn;
        void *arg;
        size_t size;
        int result;                             /* stands once the state is PLAIT__ENDED */
        int status;                             /* the wait status of a worker that died in it */
        struct plait__extra *extra;             /* or NULL */
        uint64_t id;                            /* never used twice in a process */
        plait_time since;                       /* when it was started, by its loop's clock (up to a tick late) */
        struct plait__fiber fiber;
};

/* What a tool outside the process reads first, by the symbol's name. */
struct plait__record_table {
        char magic[8];                          /* "plait" */
        uint32_t version, record_size;
        struct plait_task *records;             /* in one piece */
        _Atomic uint32_t count;                 /* of records ever used */
        uint32_t room;                          /* addresses reserved, in records */
};

extern PLAIT_API struct plait__record_table plait__records;

static inline struct plait_task *plait__task_of(const struct plait__strand *strand)
{
        return (struct plait_task *)(uintptr_t)strand;  /* the strand is its first member */
}

/* A zeroed record of the calling thread's stock; NULL: no memory. */
struct plait_task *plait__record_new(struct plait__loop *loop);

/* Back to the stock. The strand must be out of every list. */
void plait__record_free(struct plait__loop *loop, struct plait_task *task);

/* The whole stock of a thread that ends. */
void plait__record_stock_return(struct plait__loop *loop);

/* The task's extra part, made when first asked for; NULL: no memory. */
struct plait__extra *plait__record_extra(struct plait_task *task);

/* A strand ends, or one that never was: its strand-local values go. Set by sync/local.c. */
extern void (*plait__locals_end)(struct plait_task *task);

static inline void plait__record_end_locals(struct plait_task *task)
{
        if (__builtin_expect(task->extra && task->extra->locals, 0))
                plait__locals_end(task);
}

#endif
