/* The pool of threads from the inside: what its executor (threads.c) and its threads (thread.c) share. */
#ifndef PLAIT__THREADS_H
#define PLAIT__THREADS_H

#include "base/atomic.h"
#include "task/backlog.h"
#include "task/executor.h"
#include "task/initializer.h"

struct plait__threads {
        struct plait_executor executor;         /* first */
        plait__spin lock;                       /* of all below */
        struct plait__backlog backlog;
        struct plait__thread *idle;
        struct plait__thread *threads;          /* all */
        unsigned count, max;
        unsigned computing;                     /* places held */
        size_t live;                            /* of one that may be closed: tasks started and not ended */
        bool spinning;                          /* a thread looks for work without a place */
        bool told_stuck;                        /* since the backlog last changed */
        _Atomic bool refused;                   /* the last thread that was asked for could not be had; relaxed */
        bool closing;
        bool cut;                               /* the close was cut short: what comes from behind a limit is cancelled */
        struct plait__strand *closer;
        struct plait__strand *watchers[PLAIT__WATCHES];         /* by strand.slot */
        struct plait__initializer initializer;
};

struct plait__thread {
        struct plait__threads *pool;
        struct plait__loop *loop;
        struct plait__thread *next_idle;
        struct plait__thread *next, **back;     /* in pool->threads */
        struct plait_task *task;                /* that it runs */
        bool is_idle;
        int failed;                             /* the initializer's result */
};

/* Who is to begin the task at the head of the backlog. */
struct plait__hand { struct plait__thread *idle; bool fresh; };

/* With the lock held: finds a hand and gives it a place. If there is none and will be none soon, because all threads are in
 * tasks that wait, those who wait for groups of the pool are woken, to run tasks themselves. */
struct plait__hand plait__hand_find(struct plait__threads *pool);

/* With the lock free. A thread that cannot be made leaves its task to the others, if there are any. */
int plait__hand_send(struct plait__threads *pool, struct plait__hand hand);

/* With the lock held: no thread is going to begin a task soon. */
bool plait__threads_are_stuck(const struct plait__threads *pool);

/* With the lock held. */
void plait__threads_wake(struct plait__threads *pool, enum plait__watch_for what);

#endif
