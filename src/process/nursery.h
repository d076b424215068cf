/* One pool's fork server and workers. All of it is the monitor's to call. */
#ifndef PLAIT__NURSERY_H
#define PLAIT__NURSERY_H

#include "process/pool.h"

/* Starts the pool's fork server. */
int plait__server_start(struct plait__pool *pool);

/* Takes one message of it, if there is one: false when there is no more; *ret_end: the server has gone. */
bool plait__server_hear(struct plait__pool *pool, bool *ret_end);

/* The server has gone, or is to go: waits for it and its workers, and recovers what they had. */
void plait__server_died(struct plait__pool *pool);

/* Its socket is closed: gives it time to end. */
void plait__server_await(const struct plait__pool *pool);

/* With the region locked: the slot is free. */
void plait__worker_forget(struct plait__pool *pool, unsigned slot);

#endif
