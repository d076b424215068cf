/* The fork server: the program, started a second time, which makes and buries workers and does nothing else. */
#ifndef PLAIT__SERVER_H
#define PLAIT__SERVER_H

#define PLAIT__WORKER_NAME "plait-worker"

/* Called in place of main(), with what follows the name: the owner's pid, and the board's offset. Returns if this is no
 * fork server after all (somebody's program of that name). */
void plait__server_enter(const char *owner, const char *board);

#endif
