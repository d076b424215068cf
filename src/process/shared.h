/* What the parent and its workers share: one region per parent process, a memfd, which all its pools use. No pointers are
 * in it, but offsets from its beginning; the two exceptions are a task's bytes, which are the caller's own, and the groups
 * below, whose words only the worker that runs in them uses, all but `cancelled` of their scope.
 *
 *      head, modules, ports, jobs          at fixed places
 *      boards, arguments, maps             in the arena behind (region.c)
 *
 * A job is one task, or one map; a port is one loop of the parent, which is told there of jobs that have ended; a board is
 * what one pool's workers look at for work; a slot is one worker's place on it. */
#ifndef PLAIT__SHARED_H
#define PLAIT__SHARED_H

#include <stdatomic.h>
#include <stdint.h>

#include "plait/group.h"
#include "process/claim.h"

enum {
        PLAIT__JOBS = 4096,
        PLAIT__JOB_BYTES = 256,                 /* a struct of so many bytes lies in the job itself */
        PLAIT__PORTS = 256,                     /* the first is the monitor's */
        PLAIT__MODULES = 256,
        PLAIT__MODULE_ID = 20,
        PLAIT__RING = 2 * PLAIT__JOBS,
        PLAIT__MAPS = 64                        /* at once on one board */
};

#define PLAIT__REGION_MAGIC UINT64_C(0x706c616974000001)

/* A program or library, by what it consists of: the base address differs between processes. */
struct plait__module {
        unsigned char id[PLAIT__MODULE_ID];
        uint32_t is_build_id;                   /* else an identity of its file, good on this machine */
        char path[4072];                        /* empty: the program itself */
};

/* A function in a module. */
struct plait__function {
        uint32_t module;
        uint64_t offset;
};

enum plait__sleep { PLAIT__AWAKE, PLAIT__IN_FUTEX, PLAIT__IN_POLLER };

struct plait__port {
        _Atomic uint64_t summary;               /* bit: that word of `ended` is not 0 */
        _Atomic uint32_t asleep;                /* enum plait__sleep; who takes it away wakes the loop */
        _Atomic uint32_t bell;                  /* the futex in which the loop sleeps */
        _Alignas(64) _Atomic uint64_t ended[PLAIT__JOBS / 64];  /* bit: the job has ended (a map: has news) */
};

/* A map's part of its job. The arrays are in the arena; a worker reads them only while its hazard names the job. */
struct plait__map {
        _Atomic uint64_t cursor;                /* epoch 32 | the first chunk that may be open */
        _Atomic uint32_t stop;                  /* no item begins any more */
        uint32_t chunks;
        uint64_t count, size, chunk;            /* chunk 0: bounded by the array `starts` */
        uint64_t items, results, words, starts, tallies, common;
        uint32_t workers;                       /* the first slots, which may take part */
        uint32_t keep_going, wants_progress, can_be_killed;
        uint32_t failed_pid;
        _Atomic uint64_t failed;                /* the item that failed first, + 1 */
        _Atomic int32_t cut;                    /* why the first item was cut short or not begun: -ETIMEDOUT or -ECANCELED */
};

/* One worker's account of one map: written by it alone. */
struct plait__tally {
        _Atomic uint64_t chunks;                /* it has ended */
        _Atomic uint64_t items;
        _Alignas(64) plait_group group;         /* in which it runs the items */
};

struct plait__job {
        _Atomic uint64_t word;                  /* a task's claim */
        struct plait__function function;
        uint64_t bytes, size;                   /* the struct, as an offset */
        plait_time deadline;                    /* around the task, as a moment */
        plait_time within;                      /* its own; 0: none */
        plait_time not_before;                  /* when it may begin; 0: at once */
        _Atomic plait_time own_deadline;        /* what became of `within` when it began; 0: none, or it has not begun. Relaxed */
        uint32_t port;
        uint16_t gen;
        uint8_t posted;                         /* runs even if cancelled */
        uint8_t is_map;
        int32_t result;
        _Atomic uint32_t pid;                   /* the worker's, written when it has claimed the task; relaxed */
        char name[32];
        _Alignas(64) plait_group group;         /* in which the task runs: its scope is cancelled from outside */
        _Alignas(64) union {
                unsigned char inline_bytes[PLAIT__JOB_BYTES];
                struct plait__map map;
        };
};

enum plait__slot_state { PLAIT__SLOT_EMPTY, PLAIT__SLOT_READY, PLAIT__SLOT_RETIRED };

struct plait__slot {
        _Alignas(64) _Atomic uint32_t bell;                  /* the futex in which the worker's loop sleeps */
        _Atomic uint32_t attention;             /* 1: what it runs was cancelled */
        _Atomic uint32_t in_poller;             /* it sleeps in its poller: written before it looks for the last time */
        _Atomic uint32_t state;                 /* ready: its initializer has run; retired: it ends because it shall */
        _Atomic uint32_t pid;                   /* written by itself, before it claims anything */
        _Atomic uint32_t hazard;                /* the map it reads, as job + 1 */
};

struct plait__board {
        uint32_t slot_count;
        uint32_t tasks_max;                     /* of one worker; 0: no bound */
        struct plait__function initializer;
        uint64_t initializer_arg, initializer_arg_size;
        uint32_t has_initializer;
        _Atomic uint32_t readies;               /* workers that came so far as to be ready */
        _Atomic uint32_t closing;               /* workers without work end */
        _Alignas(64) _Atomic uint64_t tail;     /* tasks posted: written by the parent */
        _Atomic uint64_t maps;                  /* bit: open */
        uint16_t map_jobs[PLAIT__MAPS];
        _Alignas(64) _Atomic uint64_t head;     /* every task before this is claimed */
        _Alignas(64) _Atomic uint32_t spinning; /* slot + 1 of the one worker that looks for work without pause */
        _Alignas(64) _Atomic uint64_t idle[(PLAIT__SLOTS_MAX + 63) / 64];       /* bit: sleeps, and is to be woken for work */
        _Alignas(64) _Atomic uint64_t ring[PLAIT__RING];        /* gen << 32 | job, in the order they were posted */
        struct plait__slot slots[];
};

struct plait__region_card {
        uint64_t magic;
        uint64_t size;                          /* of the region */
        uint64_t address;                       /* where the parent has it */
        uint32_t parent;                        /* its pid */
        uint32_t job_bytes;                     /* sizeof(struct plait__job): the other side's plait is the same */
};

struct plait__region_head {
        struct plait__region_card card;
        _Atomic uint32_t modules_count;
        struct plait__module modules[PLAIT__MODULES];
        struct plait__port ports[PLAIT__PORTS];
        struct plait__job jobs[PLAIT__JOBS];
};

/* The descriptors that a fork server is given. */
enum { PLAIT__FD_REGION = 3, PLAIT__FD_SERVER, PLAIT__FD_MONITOR, PLAIT__FD_COUNT = 3 };

/* What passes between the monitor and a fork server, over a SEQPACKET socket. */
enum plait__news_kind { PLAIT__NEWS_FORK, PLAIT__NEWS_FORKED, PLAIT__NEWS_DIED, PLAIT__NEWS_NO_FORK };

struct plait__news {
        uint32_t kind, slot;
        int32_t pid, status;                    /* forked comes with the worker's eventfd and, if there are such, its pidfd */
};

static inline void *plait__at(void *base, uint64_t offset)
{
        return (char *)base + offset;
}

/* A worker, or who speaks for a dead one, tells the job's port; defined in port.c. True: a sleeping loop was woken. */
bool plait__port_tell(struct plait__region_head *head, int monitor_fd, unsigned job);

#endif
