#define _GNU_SOURCE
/* HTTP/1.1 as the server speaks it: requests are read into one buffer, one after the other, and answered in order. */
#include "serve_http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define IDLE (60 * PLAIT_S)                     /* a connection that says nothing */

/* ---- answers */

static const char *reason_of(unsigned status)
{
        return status < 200 ? "Continue" : status < 300 ? "OK" : status < 400 ? "Found" : status == 404 ? "Not Found" :
               status < 500 ? "Bad Request" : "Server Error";
}

static void status_line(struct connection *c, unsigned status)
{
        connection_say(c, "HTTP/1.1 %u %s\r\n%s", status, reason_of(status), c->last ? "Connection: close\r\n" : "");
}

static void end_head(struct connection *c, uint64_t length)
{
        connection_say(c, "Content-Type: text/plain\r\nContent-Length: %llu\r\n\r\n", (unsigned long long)length);
}

static void answer_bytes(struct connection *c, uint64_t size)
{
        status_line(c, 200);
        end_head(c, size);
        connection_emit_pattern(c, 0, size);
}

static void answer_status(struct connection *c, uint64_t status)
{
        bool bare = status < 200 || status == 204 || status == 304;

        if (status < 200)
                c->last = true;                 /* an interim answer that nothing follows */
        status_line(c, (unsigned)status);
        if (bare) {
                connection_say(c, "\r\n");
                return;
        }
        end_head(c, 4);
        if (!c->head)
                connection_say(c, "%llu\n", (unsigned long long)status % 1000);
}

static void answer_chunked(struct connection *c, uint64_t size)
{
        uint64_t at, part;

        status_line(c, 200);
        connection_say(c, "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
        if (c->head)
                return;
        for (at = 0; at < size && c->rc == 0; at += part) {
                part = size - at < 5000 ? size - at : 5000;
                connection_say(c, "%llx\r\n", (unsigned long long)part);
                connection_emit_pattern(c, at, part);
                connection_say(c, "\r\n");
        }
        connection_say(c, "0\r\n\r\n");
}

static void answer_cut(struct connection *c, uint64_t size)
{
        c->last = true;
        connection_say(c, "HTTP/1.1 200 OK\r\n");
        end_head(c, size);
        connection_emit_pattern(c, 0, size / 2);
}

static void answer_slow(struct connection *c, uint64_t size)
{
        uint64_t at;

        status_line(c, 200);
        end_head(c, size);
        for (at = 0; at < size && c->rc == 0 && !c->head; at++) {
                connection_flush(c);
                if (c->rc == 0)
                        c->rc = plait_sleep(10 * PLAIT_MS);
                connection_emit_pattern(c, at, 1);
        }
}

static void answer_redirect(struct connection *c, const char *to, uint64_t left)
{
        status_line(c, 302);
        if (left > 1)
                connection_say(c, "Location: %s/%llu\r\n", to, (unsigned long long)left - 1);
        else
                connection_say(c, "Location: %s\r\n", left ? "/" : to);
        end_head(c, 0);
}

static void answer_error(struct connection *c, unsigned status)
{
        c->last = c->last || status != 404;
        answer_status(c, status);
}

static void answer_gzip(struct connection *c, uint64_t size)
{
        c->last = true;                         /* its end is the end of the body */
        status_line(c, 200);
        connection_say(c, "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n");
        if (c->head)
                return;
        connection_emit_gzip(c, size);
}

/* ---- requests */

/* "/name/12": is it `name`? The number to *ret, which keeps its value if there is none. */
static bool path_is(const char *path, const char *name, uint64_t *ret)
{
        size_t length = strlen(name);
        char *end;

        if (strncmp(path, name, length) || (path[length] && path[length] != '/'))
                return false;
        if (!path[length])
                return true;
        if (path[length + 1] < '0' || path[length + 1] > '9')
                return false;
        *ret = strtoull(path + length + 1, &end, 10);
        return !*end;
}

static void route(struct connection *c, const char *path)
{
        uint64_t number = 100;

        if (!strcmp(path, "/"))
                answer_bytes(c, c->server->size);
        else if (path_is(path, "/bytes", &number))
                answer_bytes(c, number);
        else if (path_is(path, "/status", &number) && number >= 100 && number < 1000)
                answer_status(c, number);
        else if (path_is(path, "/chunked", &number))
                answer_chunked(c, number);
        else if (path_is(path, "/gzip", &number))
                answer_gzip(c, number);
        else if (path_is(path, "/cut", &number))
                answer_cut(c, number);
        else if (path_is(path, "/slow", &number))
                answer_slow(c, number);
        else if (path_is(path, "/redirect", &number) && number)
                answer_redirect(c, "/redirect", number);
        else if (!strcmp(path, "/loop"))
                answer_redirect(c, "/loop", 0);
        else if (!strcmp(path, "/hang"))
                c->rc = plait_sleep(PLAIT_FOREVER);
        else if (!strcmp(path, "/garbage")) {
                c->last = true;
                connection_say(c, "This is not HTTP.\n");
        } else
                answer_error(c, 404);
}

/* The value of a header, or NULL; the head ends in an empty line and a 0. */
static const char *header(const char *head, const char *name)
{
        size_t length = strlen(name);

        while ((head = strchr(head, '\n'))) {
                head++;
                if (!strncasecmp(head, name, length) && head[length] == ':') {
                        head += length + 1;
                        return head + strspn(head, " \t");
                }
        }
        return NULL;
}

static void look_at_headers(struct connection *c, const char *head, bool is_1_0)
{
        const char *connection = header(head, "Connection"), *length = header(head, "Content-Length");

        c->last = is_1_0 ? !connection || strncasecmp(connection, "keep-alive", 10) :
                  connection && !strncasecmp(connection, "close", 5);
        if ((length && *length != '0') || header(head, "Transfer-Encoding"))
                c->last = true;                 /* a body, which is not read */
}

/* One request, its head with a 0 in place of the last byte. */
static void answer(struct connection *c, char *head)
{
        char *target, *version;
        size_t line = strcspn(head, "\r\n");

        target = memchr(head, ' ', line);
        version = target ? memchr(target + 1, ' ', line - (size_t)(target + 1 - head)) : NULL;
        c->head = !strncmp(head, "HEAD ", 5);
        if (!version || target[1] != '/' || strncmp(version, " HTTP/1.", 8)) {
                answer_error(c, 400);
                return;
        }
        look_at_headers(c, head, version[8] == '0');
        *version = 0;
        target[1 + strcspn(target + 1, "?#")] = 0;
        if (!c->head && strncmp(head, "GET ", 4)) {
                answer_error(c, 405);
                return;
        }
        if (c->server->latency)
                c->rc = plait_sleep(c->server->latency);
        if (c->rc == 0)
                route(c, target + 1);
}

/* How long the first request's head is, its empty line included; 0: it is not all there. */
static size_t head_length(const struct connection *c)
{
        const char *end = memmem(c->in, c->have, "\r\n\r\n", 4);

        return end ? (size_t)(end - c->in) + 4 : 0;
}

static int read_more(struct connection *c)
{
        PLAIT_WITHIN(IDLE);
        ssize_t n = plait_read(c->fd, c->in + c->have, sizeof c->in - c->have);

        if (n > 0)
                c->have += (size_t)n;
        return n > 0 ? 0 : n < 0 ? (int)n : -EPIPE;
}

static void serve_requests(struct connection *c)
{
        size_t length;

        while (c->rc == 0 && !c->last) {
                length = head_length(c);
                if (length) {
                        c->in[length - 1] = 0;
                        answer(c, c->in);
                        c->have -= length;
                        memmove(c->in, c->in + length, c->have);
                } else if (c->have == sizeof c->in) {
                        answer_error(c, 431);
                } else {
                        connection_flush(c);               /* all that is asked is answered */
                        if (c->rc == 0)
                                c->rc = read_more(c);
                }
        }
        connection_flush(c);
}

/* Closing a socket from which not all was read would throw away what the client has not taken yet. */
static void linger(struct connection *c)
{
        PLAIT_WITHIN(PLAIT_S);

        shutdown(c->fd, SHUT_WR);
        while (plait_read(c->fd, c->in, sizeof c->in) > 0)
                ;
}

int serve_connection(void *arg)
{
        struct connection_start *start = arg;
        struct connection c = {.server = start->server, .fd = start->fd};

        serve_requests(&c);
        if (c.rc == 0)
                linger(&c);
        plait_ignore(plait_close(c.fd));
        return 0;
}
