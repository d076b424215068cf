/* The body that arrives, made plain if it is compressed. Its memory is made with the first bytes, as large as the server says, if
 * that is believable, and doubles when that was not so.
 *
 * gzip is asked for, and inflated here by zlib. libcurl would do so as well, but 7.88 takes a compressed body that ends too early for
 * a whole one. What else a server may have done to it, unasked, fails the request. */
#define _GNU_SOURCE
#include "driver.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/sys.h"

enum { ROOM = 4096, BELIEVED = 64 << 20, ANY_WRAPPER = 32 + MAX_WBITS };

size_t plait__http_body_max = (size_t)1 << 30;

/* ---- its memory */

static size_t first_room(struct http_transfer *transfer, size_t size)
{
        curl_off_t told = -1;

        if (!transfer->inflate)
                curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &told);
        if (told > BELIEVED)
                told = BELIEVED;
        if (told < (curl_off_t)size)            /* not said */
                return size < ROOM / 2 ? ROOM : 2 * size;
        return (size_t)told + 1;
}

/* Room for so many bytes, of which one may be more than the limit, and a 0 behind them. */
static int reach(struct http_transfer *transfer, size_t size)
{
        size_t room = transfer->room ? transfer->room : first_room(transfer, size);
        char *body;

        if (size < transfer->room)
                return 0;
        while (room <= size)
                room *= 2;
        if (room > plait__http_body_max + 2)
                room = plait__http_body_max + 2;
        body = plait__sys.alloc(room);
        if (!body)
                return -ENOMEM;
        if (transfer->length)
                memcpy(body, transfer->body, transfer->length);
        plait__sys.free(transfer->body);
        transfer->body = body;
        transfer->room = room;
        return 0;
}

/* ---- inflating */

static void *zlib_alloc(void *unused, unsigned count, unsigned size)
{
        (void)unused;
        return plait__sys.alloc((size_t)count * size);
}

static void zlib_free(void *unused, void *memory)
{
        (void)unused;
        plait__sys.free(memory);
}

static int inflate_begin(struct http_transfer *transfer)
{
        z_stream *stream = plait__sys.alloc(sizeof *stream);

        if (!stream)
                return -ENOMEM;
        stream->zalloc = zlib_alloc;
        stream->zfree = zlib_free;
        if (inflateInit2(stream, ANY_WRAPPER) != Z_OK) {
                plait__sys.free(stream);
                return -ENOMEM;
        }
        transfer->inflate = stream;
        return 0;
}

/* Makes what has come plain, into the body. Bytes behind the end are nobody's, unless they begin as gzip does: then more follows. */
static int inflate_some(struct http_transfer *transfer, const char *bytes, size_t size)
{
        z_stream *stream = transfer->inflate;
        int rc, said;

        stream->next_in = (Bytef *)(uintptr_t)bytes;
        stream->avail_in = (uInt)size;
        do {
                if (transfer->inflated) {
                        if (stream->avail_in == 0 || *stream->next_in != 0x1f || inflateReset(stream) != Z_OK)
                                return 0;
                        transfer->inflated = false;
                }
                rc = reach(transfer, transfer->length + 1);
                if (rc < 0)
                        return rc;
                stream->next_out = (Bytef *)transfer->body + transfer->length;
                stream->avail_out = (uInt)(transfer->room - 1 - transfer->length);
                said = inflate(stream, Z_NO_FLUSH);
                transfer->length = transfer->room - 1 - stream->avail_out;
                transfer->inflated = said == Z_STREAM_END;
                if (transfer->length > plait__http_body_max)
                        return -EFBIG;
                if (said == Z_MEM_ERROR)
                        return -ENOMEM;
                if (said != Z_OK && said != Z_STREAM_END && said != Z_BUF_ERROR)
                        return -EBADMSG;
        } while (stream->avail_in > 0 || (stream->avail_out == 0 && !transfer->inflated));
        return 0;
}

/* ---- libcurl's side */

static bool is_plain(const struct curl_header *encoding)
{
        return !*encoding->value || strcasecmp(encoding->value, "identity") == 0;
}

static bool is_zlibs(const struct curl_header *encoding)
{
        return encoding->amount == 1 && (!strcasecmp(encoding->value, "gzip") || !strcasecmp(encoding->value, "x-gzip") ||
                                         !strcasecmp(encoding->value, "deflate"));
}

/* The first bytes are here, and so is what the headers say of them. */
static int body_begin(struct http_transfer *transfer)
{
        struct curl_header *encoding;
        curl_off_t told = -1;

        transfer->begun = true;
        if (curl_easy_header(transfer->easy, "Content-Encoding", 0, CURLH_HEADER, -1, &encoding) == CURLHE_OK && !is_plain(encoding))
                return is_zlibs(encoding) ? inflate_begin(transfer) : -EBADMSG;
        curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &told);
        return told > (curl_off_t)plait__http_body_max ? -EFBIG : 0;   /* no need to wait for it */
}

static int body_take(struct http_transfer *transfer, const char *bytes, size_t size)
{
        int rc = transfer->begun ? 0 : body_begin(transfer);

        if (rc < 0)
                return rc;
        if (transfer->inflate)
                return inflate_some(transfer, bytes, size);
        if (size > plait__http_body_max - transfer->length)
                return -EFBIG;
        rc = reach(transfer, transfer->length + size);
        if (rc < 0)
                return rc;
        memcpy(transfer->body + transfer->length, bytes, size);
        transfer->length += size;
        return 0;
}

size_t plait__http_on_body(char *bytes, size_t one, size_t size, void *value)
{
        struct http_transfer *transfer = value;

        (void)one;
        transfer->failure = body_take(transfer, bytes, size);
        return transfer->failure == 0 ? size : size ? 0 : 1;    /* any count but `size`: the transfer ends */
}

/* ---- its end */

int plait__http_transfer_body(struct http_transfer *transfer, plait_response *ret)
{
        int rc = transfer->inflate && !transfer->inflated ? -EBADMSG : reach(transfer, transfer->length);

        if (rc < 0)
                return plait__http_fail(ret, transfer, rc);
        transfer->body[transfer->length] = 0;
        ret->body = transfer->body;
        ret->length = transfer->length;
        transfer->body = NULL;
        return 0;
}

void plait__http_body_drop(struct http_transfer *transfer)
{
        if (transfer->inflate)
                inflateEnd(transfer->inflate);
        plait__sys.free(transfer->inflate);
        plait__sys.free(transfer->body);
        transfer->inflate = NULL;
        transfer->body = NULL;
        transfer->length = transfer->room = 0;
        transfer->begun = transfer->inflated = false;
}
