/* The server of `plait serve`, and of tests. */
#ifndef PLAIT_COMMAND_SERVE_H
#define PLAIT_COMMAND_SERVE_H

#include "command.h"

struct server {
        plait_time latency;                     /* before each answer */
        uint64_t size;                          /* of the body of / */
};

/* What a connection's task begins with. */
struct connection_start {
        const struct server *server;
        int fd;                                 /* the task's to close */
};

/* A task: answers one connection's requests until it ends. */
int serve_connection(void *start);

/* The byte at any place of a plain body. */
static inline char serve_byte(uint64_t at)
{
        return (char)('a' + at % 65536 % 23);
}

#endif
