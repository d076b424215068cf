#define _GNU_SOURCE
/* HTTP/1.1 as the server speaks it: requests are read into one buffer, one after the other, and answered in order; answers
 * are gathered in another and written when it is full. A write that failed is remembered, and the rest goes nowhere. */
#include "serve.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { HEAD_MAX = 8192, OUT_ROOM = 8192 };

#define IDLE (60 * PLAIT_S)                     /* a connection that says nothing */

struct connection {
        const struct server *server;
        int fd;
        int rc;                                 /* the first failure to write */
        bool head;                              /* a HEAD request: no body */
        bool last;                              /* the connection ends after this answer */
        bool chunked;
        size_t have, filled;                    /* of in, of out */
        char in[HEAD_MAX];
        char out[OUT_ROOM];
};

/* ---- writing */

static void flush(struct connection *c)
{
        size_t done = 0;
        ssize_t n;

        while (c->rc == 0 && done < c->filled) {
                n = plait_write(c->fd, c->out + done, c->filled - done);
                if (n < 0)
                        c->rc = (int)n;
                else
                        done += (size_t)n;
        }
        c->filled = 0;
}

static void emit(struct connection *c, const void *bytes, size_t size)
{
        size_t part;

        for (; size; size -= part, bytes = (const char *)bytes + part) {
                if (c->filled == sizeof c->out)
                        flush(c);
                part = sizeof c->out - c->filled < size ? sizeof c->out - c->filled : size;
                memcpy(c->out + c->filled, bytes, part);
                c->filled += part;
        }
}

__attribute__((format(printf, 2, 3)))
static void say(struct connection *c, const char *format, ...)
{
        char text[256];
        va_list arguments;
        int length;

        va_start(arguments, format);
        length = vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        if (length > 0)
                emit(c, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

static const char *reason_of(unsigned status)
{
        return status < 200 ? "Continue" : status < 300 ? "OK" : status < 400 ? "Found" : status == 404 ? "Not Found" :
               status < 500 ? "Bad Request" : "Server Error";
}

static void status_line(struct connection *c, unsigned status)
{
        say(c, "HTTP/1.1 %u %s\r\n%s", status, reason_of(status), c->last ? "Connection: close\r\n" : "");
}

static void end_head(struct connection *c, uint64_t length)
{
        say(c, "Content-Type: text/plain\r\nContent-Length: %llu\r\n\r\n", (unsigned long long)length);
}

/* ---- bodies */

static const char *pattern(void)
{
        static char block[65536];
        size_t i;

        for (i = 0; !block[sizeof block - 1] && i < sizeof block; i++)
                block[i] = serve_byte(i);
        return block;
}

/* Bytes of the pattern; a large body is written from it without copying. */
static void emit_pattern(struct connection *c, uint64_t from, uint64_t size)
{
        const char *block = pattern();
        size_t at, part;
        ssize_t n;

        if (c->head)
                return;
        for (; size && c->rc == 0; from += part, size -= part) {
                at = from % 65536;
                part = 65536 - at < size ? 65536 - at : (size_t)size;
                if (part <= sizeof c->out - c->filled) {
                        emit(c, block + at, part);
                        continue;
                }
                flush(c);
                n = c->rc ? c->rc : plait_write(c->fd, block + at, part);
                part = n < 0 ? 0 : (size_t)n;
                c->rc = n < 0 ? (int)n : c->rc;
        }
}

static void answer_bytes(struct connection *c, uint64_t size)
{
        status_line(c, 200);
        end_head(c, size);
        emit_pattern(c, 0, size);
}

static void answer_status(struct connection *c, uint64_t status)
{
        bool bare = status < 200 || status == 204 || status == 304;

        if (status < 200)
                c->last = true;                 /* an interim answer that nothing follows */
        status_line(c, (unsigned)status);
        if (bare) {
                say(c, "\r\n");
                return;
        }
        end_head(c, 4);
        if (!c->head)
                say(c, "%llu\n", (unsigned long long)status % 1000);
}

static void answer_chunked(struct connection *c, uint64_t size)
{
        uint64_t at, part;

        status_line(c, 200);
        say(c, "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n");
        if (c->head)
                return;
        for (at = 0; at < size && c->rc == 0; at += part) {
                part = size - at < 5000 ? size - at : 5000;
                say(c, "%llx\r\n", (unsigned long long)part);
                emit_pattern(c, at, part);
                say(c, "\r\n");
        }
        say(c, "0\r\n\r\n");
}

static void answer_cut(struct connection *c, uint64_t size)
{
        c->last = true;
        say(c, "HTTP/1.1 200 OK\r\n");
        end_head(c, size);
        emit_pattern(c, 0, size / 2);
}

static void answer_slow(struct connection *c, uint64_t size)
{
        uint64_t at;

        status_line(c, 200);
        end_head(c, size);
        for (at = 0; at < size && c->rc == 0 && !c->head; at++) {
                flush(c);
                if (c->rc == 0)
                        c->rc = plait_sleep(10 * PLAIT_MS);
                emit_pattern(c, at, 1);
        }
}

static void answer_redirect(struct connection *c, const char *to, uint64_t left)
{
        status_line(c, 302);
        if (left > 1)
                say(c, "Location: %s/%llu\r\n", to, (unsigned long long)left - 1);
        else
                say(c, "Location: %s\r\n", left ? "/" : to);
        end_head(c, 0);
}

static void answer_error(struct connection *c, unsigned status)
{
        c->last = c->last || status != 404;
        answer_status(c, status);
}

/* ---- /gzip/N: N times an 'a', by the fixed code of RFC 1951, as repeats of 258 */

struct bits {
        struct connection *c;
        unsigned buffer, count;
};

static void put_bits(struct bits *bits, unsigned value, unsigned count)
{
        char byte;

        bits->buffer |= value << bits->count;
        for (bits->count += count; bits->count >= 8; bits->count -= 8) {
                byte = (char)bits->buffer;
                bits->buffer >>= 8;
                emit(bits->c, &byte, 1);
        }
}

/* Codes stand with their first bit lowest. */
static void put_code(struct bits *bits, unsigned code, unsigned count)
{
        unsigned turned = 0, i;

        for (i = 0; i < count; i++)
                turned |= (code >> i & 1) << (count - 1 - i);
        put_bits(bits, turned, count);
}

static void put_deflated(struct connection *c, uint64_t size)
{
        struct bits bits = {.c = c};
        uint64_t plain = size ? 1 + (size - 1) % 258 : 0, repeats = (size - plain) / 258;

        put_bits(&bits, 3, 3);                  /* the last block; fixed code */
        for (; plain; plain--)
                put_code(&bits, 0x30 + 'a', 8);
        for (; repeats && c->rc == 0; repeats--) {
                put_code(&bits, 0xc5, 8);       /* length 258 */
                put_code(&bits, 0, 5);          /* distance 1 */
        }
        put_code(&bits, 0, 7);                  /* the end */
        if (bits.count)
                put_bits(&bits, 0, 8 - bits.count);
}

static uint32_t crc_of_as(uint64_t size)
{
        uint32_t table[256], crc = UINT32_MAX, i, bit;

        for (i = 0; i < 256; i++) {
                table[i] = i;
                for (bit = 0; bit < 8; bit++)
                        table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xedb88320 : table[i] >> 1;
        }
        for (; size; size--) {
                crc = crc >> 8 ^ table[(crc ^ 'a') & 255];
                if (size % 1000000 == 0)
                        plait_ignore(plait_yield());
        }
        return ~crc;
}

static void put_number(struct connection *c, uint32_t number)
{
        unsigned char bytes[4] = {(unsigned char)number, (unsigned char)(number >> 8), (unsigned char)(number >> 16),
                                  (unsigned char)(number >> 24)};

        emit(c, bytes, sizeof bytes);
}

static void answer_gzip(struct connection *c, uint64_t size)
{
        c->last = true;                         /* its end is the end of the body */
        status_line(c, 200);
        say(c, "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n");
        if (c->head)
                return;
        emit(c, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
        put_deflated(c, size);
        if (c->rc == 0)
                put_number(c, crc_of_as(size));
        put_number(c, (uint32_t)size);
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
                say(c, "This is not HTTP.\n");
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

        c->last = connection ? !strncasecmp(connection, "close", 5) || (is_1_0 && strncasecmp(connection, "keep-alive", 10)) : is_1_0;
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
                        flush(c);               /* all that is asked is answered */
                        if (c->rc == 0)
                                c->rc = read_more(c);
                }
        }
        flush(c);
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
