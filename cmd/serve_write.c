/* Writing: small pieces are gathered, and large bodies go out as they lie in memory. */
#include "serve_http.h"

#include <stdarg.h>
#include <string.h>

void connection_flush(struct connection *c)
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

void connection_emit(struct connection *c, const void *bytes, size_t size)
{
        size_t part;

        for (; size; size -= part, bytes = (const char *)bytes + part) {
                if (c->filled == sizeof c->out)
                        connection_flush(c);
                part = sizeof c->out - c->filled < size ? sizeof c->out - c->filled : size;
                memcpy(c->out + c->filled, bytes, part);
                c->filled += part;
        }
}

void connection_say(struct connection *c, const char *format, ...)
{
        char text[256];
        va_list arguments;
        int length;

        va_start(arguments, format);
        length = vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        if (length > 0)
                connection_emit(c, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

static const char *pattern(void)
{
        static char block[65536];
        size_t i;

        for (i = 0; !block[sizeof block - 1] && i < sizeof block; i++)
                block[i] = serve_byte(i);
        return block;
}

/* A large body is written from it without copying. */
void connection_emit_pattern(struct connection *c, uint64_t from, uint64_t size)
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
                        connection_emit(c, block + at, part);
                        continue;
                }
                connection_flush(c);
                n = c->rc ? c->rc : plait_write(c->fd, block + at, part);
                part = n < 0 ? 0 : (size_t)n;
                c->rc = n < 0 ? (int)n : c->rc;
        }
}
