/* Strands as they were seen while the world stood still. */
#ifndef PLAIT__SEEN_H
#define PLAIT__SEEN_H

#include <stddef.h>

#include "inspect/out.h"
#include "inspect/world.h"

enum { PLAIT__NAME_SEEN = 48 };

enum plait__seen_kind {
        PLAIT__SEEN_MAIN,
        PLAIT__SEEN_THREAD,
        PLAIT__SEEN_COROUTINE,
        PLAIT__SEEN_AWAY,
        PLAIT__SEEN_SERVICE,
        PLAIT__SEEN_TASK
};

enum plait__seen_state { PLAIT__SEEN_NEW, PLAIT__SEEN_READY, PLAIT__SEEN_RUNNING, PLAIT__SEEN_PARKED };

/* Why there is no stack to show. */
enum plait__no_stack { PLAIT__STACK_SEEN, PLAIT__STACK_NONE, PLAIT__STACK_COMPUTES, PLAIT__STACK_CANNOT };

/* Who it is, as far as that could be read. */
struct plait__who {
        uint64_t id;                            /* 0: nobody */
        char name[PLAIT__NAME_SEEN];            /* its own; empty: none */
        char group[PLAIT__NAME_SEEN];           /* its group's; empty: none */
        bool main;
};

struct plait__seen {
        struct plait__who who;
        enum plait__seen_kind kind;
        enum plait__seen_state state;
        enum plait__reason reason;
        enum plait__no_stack no_stack;
        pid_t tid, pid;                         /* its thread; the process it is away in, 0: not known */
        const void *object;                     /* what it waits for */
        char object_name[PLAIT__NAME_SEEN];     /* a group's */
        size_t object_count;                    /* of a group: tasks that live; of a queue: items */
        struct plait__who other;                /* who holds that lock; the task it waits for */
        plait_time age, left;                   /* left: PLAIT_FOREVER: no deadline */
        int count;
        bool interrupted;                       /* the frames begin where it was interrupted, not in a call that parks */
        void *frames[PLAIT__FRAMES];
};

struct plait__all_seen {
        struct plait__seen *strands;
        size_t count, room, bytes;
        bool complete;                          /* every thread of ours stood still */
};

/* With the world stopped: reads all of them. What there is no room for is left out. */
void plait__see_all(struct plait__all_seen *all);
void plait__see_no_more(struct plait__all_seen *all);

/* Who a strand of the loop that stands still (or that runs here) is. */
void plait__see_who(struct plait__who *ret, const struct plait_task *task, bool still);

/* "#5 'name' of 'group'" */
void plait__out_who(struct plait__out *out, const struct plait__who *who);

#endif
