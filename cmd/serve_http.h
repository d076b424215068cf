/* One connection of the server: what is read, and what is gathered to be written. */
#ifndef PLAIT_COMMAND_SERVE_HTTP_H
#define PLAIT_COMMAND_SERVE_HTTP_H

#include "serve.h"

enum { HEAD_MAX = 8192, OUT_ROOM = 8192 };

struct connection {
        const struct server *server;
        int fd;
        int rc;                                 /* the first failure to write */
        bool head;                              /* a HEAD request: no body */
        bool last;                              /* the connection ends after this answer */
        size_t have, filled;                    /* of in, of out */
        char in[HEAD_MAX];
        char out[OUT_ROOM];
};

/* ---- serve_write.c. A write that failed is remembered, and the rest goes nowhere. */

/* Gathers bytes; they go when there is no room for more, or by connection_flush(). */
void connection_emit(struct connection *c, const void *bytes, size_t size);
void connection_say(struct connection *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void connection_flush(struct connection *c);

/* Bytes of the pattern that is every plain body, unless the request is for the head alone. */
void connection_emit_pattern(struct connection *c, uint64_t from, uint64_t size);

/* ---- serve_gzip.c */

/* `size` times an 'a', as a file of gzip. */
void connection_emit_gzip(struct connection *c, uint64_t size);

#endif
