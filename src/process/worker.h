/* A worker process. */
#ifndef PLAIT__WORKER_H
#define PLAIT__WORKER_H

#include "process/shared.h"

/* Whether this process is one. */
extern bool plait__in_worker;

struct plait__worker_place {
        struct plait__region_head *head;
        struct plait__board *board;
        unsigned slot;
        int monitor_fd;                         /* the parent's eventfd */
        int own_fd;                             /* an eventfd that wakes this worker from its poller */
        long server;                            /* pid */
};

/* Runs tasks until it is to end. */
_Noreturn void plait__worker_run(const struct plait__worker_place *place);

#endif
