/* Servers for the tests of HTTP, in the test's own process.
 *
 *      site        what `plait serve` serves, as coroutines of the loop that opened it
 *      raw_site    a thread that sends each connection the same bytes and closes it; of plain libc, so that the faults of
 *                  fault.h do not reach it */
#ifndef PLAIT_TEST_SITE_H
#define PLAIT_TEST_SITE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "../cmd/serve.h"

struct site {
        plait_group group;
        struct server server;
        int listener;
        unsigned connections;                   /* accepted so far */
        char url[64];                           /* "http://127.0.0.1:PORT/" */
};

void site_open(struct site *site);
void site_close(struct site *site);

struct raw_site {
        pthread_t thread;
        const char *answer;
        size_t length;
        bool reset;                             /* ends connections by a reset */
        bool again;                             /* answers request after request, until the client hangs up */
        int listener;
        char url[64];
};

void raw_site_open(struct raw_site *site, const char *answer, size_t length);
void raw_site_close(struct raw_site *site);

/* Runs fn(arg) on a thread of its own, expects 0 from it, and waits until the thread is gone, as plait does not: what
 * it holds is then given back, its connections too. `left`: threads of others that it leaves behind. */
void on_a_thread(plait_fn *fn, void *arg, unsigned left);

/* A socket that listens on a free port of 127.0.0.1, and its URL. */
int listen_here(char ret_url[64]);

#endif
