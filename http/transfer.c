/* Transfers: easy handles with their options set once, and the body that arrives. A handle is kept after its request,
 * and only its URL is new for the next one. The body's memory is made with the first bytes, as large as the server
 * says, if that is believable, and doubles when that was not so. */
#define _GNU_SOURCE
#include "driver.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"

enum { BODY_ROOM = 4096, BODY_BELIEVED = 64 << 20, HEAD_MAX = 256 << 10 };

size_t plait__http_body_max = (size_t)1 << 30;

/* ---- the body */

static size_t first_room(struct http_transfer *transfer, size_t size)
{
        curl_off_t told = -1;

        curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &told);
        if (told > BODY_BELIEVED)
                told = BODY_BELIEVED;
        if (told < (curl_off_t)size)            /* not said, or that of the compressed body */
                return size < BODY_ROOM / 2 ? BODY_ROOM : 2 * size;
        return (size_t)told + 1;
}

static int reach(struct http_transfer *transfer, size_t size)
{
        size_t room = transfer->room ? transfer->room : first_room(transfer, size);
        char *body;

        if (size < transfer->room)
                return 0;
        while (room <= size)
                room *= 2;
        if (room > plait__http_body_max + 1)
                room = plait__http_body_max + 1;
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

/* The server says that it will send more than is taken: no need to wait for it. What is said of a compressed body means
 * nothing here. */
static bool is_announced_too_big(struct http_transfer *transfer)
{
        struct curl_header *encoding;
        curl_off_t told = -1;

        curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &told);
        return told > (curl_off_t)plait__http_body_max &&
               curl_easy_header(transfer->easy, "Content-Encoding", 0, CURLH_HEADER, -1, &encoding) == CURLHE_MISSING;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *value)
{
        struct http_transfer *transfer = value;

        (void)one;
        if (size > plait__http_body_max - transfer->length || (!transfer->room && is_announced_too_big(transfer)))
                transfer->failure = -EFBIG;
        else
                transfer->failure = reach(transfer, transfer->length + size);
        if (transfer->failure)
                return size ? 0 : 1;            /* any count but `size`: the transfer ends */
        memcpy(transfer->body + transfer->length, bytes, size);
        transfer->length += size;
        return size;
}

/* libcurl keeps all headers, and those behind a body have no limit of its own. */
static size_t on_header(char *bytes, size_t one, size_t size, void *value)
{
        struct http_transfer *transfer = value;

        (void)bytes;
        transfer->head += one * size;
        if (transfer->head <= HEAD_MAX)
                return one * size;
        transfer->failure = -EPROTO;
        return 0;
}

int plait__http_transfer_body(struct http_transfer *transfer, plait_response *ret)
{
        int rc = reach(transfer, transfer->length);

        if (rc < 0) {
                plait__http_say(ret, transfer->request->url, transfer, rc);
                return rc;
        }
        transfer->body[transfer->length] = 0;
        ret->body = transfer->body;
        ret->length = transfer->length;
        transfer->body = NULL;
        return 0;
}

/* ---- the easy handle */

/* libcurl is about to look a name up, and starts a thread for it, which takes our signal mask. */
static int on_resolver(void *state, void *reserved, void *value)
{
        struct http_driver *driver = value;
        sigset_t all;

        (void)state;
        (void)reserved;
        if (!driver->masked) {
                sigfillset(&all);
                driver->masked = pthread_sigmask(SIG_SETMASK, &all, &driver->mask) == 0;
        }
        return 0;
}

/* Certificates to trust in place of the system's, as for curl, Python, Go and whatever else OpenSSL serves. */
static CURLcode set_trust(CURL *easy)
{
        const char *file = secure_getenv("SSL_CERT_FILE"), *directory = secure_getenv("SSL_CERT_DIR");
        CURLcode code = CURLE_OK;

        if (file && *file)
                code = curl_easy_setopt(easy, CURLOPT_CAINFO, file);
        if (code == CURLE_OK && directory && *directory)
                code = curl_easy_setopt(easy, CURLOPT_CAPATH, directory);
        return code;
}

/* The headers that libcurl does not send by itself. It would make these two from options of theirs as well, but then formats
 * each twice, byte by byte: an eighth of what a small request takes. */
static char encodings_line[64];
static struct curl_slist agent = {(char *)(uintptr_t)"User-Agent: plait", NULL}, encodings = {encodings_line, &agent};

void plait__http_headers_init(void)
{
        int features = curl_version_info(CURLVERSION_NOW)->features;

        snprintf(encodings_line, sizeof encodings_line, "Accept-Encoding: %s%s%s", features & CURL_VERSION_LIBZ ? "gzip" : "identity",
                 features & CURL_VERSION_BROTLI ? ", br" : "", features & CURL_VERSION_ZSTD ? ", zstd" : "");
}

static CURLcode set_up(struct http_transfer *transfer)
{
        struct http_driver *driver = transfer->driver;
        CURL *easy = transfer->easy;
        CURLcode code = set_trust(easy);

        /* Those that keep a string can fail; numbers and pointers cannot, but a libcurl might not know them. */
#define SET(option, value) (code = code == CURLE_OK ? curl_easy_setopt(easy, option, value) : code)
        SET(CURLOPT_PRIVATE, transfer);
        SET(CURLOPT_ERRORBUFFER, transfer->words);
        SET(CURLOPT_NOSIGNAL, 1L);
        SET(CURLOPT_QUICK_EXIT, 1L);            /* else a silent name server holds up the end of a request */
        SET(CURLOPT_PROTOCOLS_STR, "http,https");
        SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
        SET(CURLOPT_FOLLOWLOCATION, 1L);
        SET(CURLOPT_MAXREDIRS, 20L);
        SET(CURLOPT_ACCEPT_ENCODING, "");       /* decode what comes */
        SET(CURLOPT_HTTPHEADER, &encodings);
        SET(CURLOPT_WRITEFUNCTION, on_body);
        SET(CURLOPT_WRITEDATA, transfer);
        SET(CURLOPT_HEADERFUNCTION, on_header);
        SET(CURLOPT_HEADERDATA, transfer);
        SET(CURLOPT_OPENSOCKETFUNCTION, plait__http_open_socket);
        SET(CURLOPT_OPENSOCKETDATA, transfer);
        SET(CURLOPT_CLOSESOCKETFUNCTION, plait__http_close_socket);
        SET(CURLOPT_CLOSESOCKETDATA, driver);
        SET(CURLOPT_RESOLVER_START_FUNCTION, on_resolver);
        SET(CURLOPT_RESOLVER_START_DATA, driver);
#undef SET
        return code;
}

static struct http_transfer *make(struct http_driver *driver)
{
        struct http_transfer *transfer = plait__sys.alloc(sizeof *transfer);

        if (!transfer)
                return NULL;
        transfer->driver = driver;
        transfer->easy = curl_easy_init();
        if (transfer->easy && set_up(transfer) == CURLE_OK)
                return transfer;
        curl_easy_cleanup(transfer->easy);
        plait__sys.free(transfer);
        return NULL;
}

int plait__http_transfer_take(struct http_driver *driver, struct http_request *request)
{
        struct http_transfer *transfer = driver->kept;
        CURLcode code;

        if (transfer) {
                driver->kept = transfer->next_kept;
                driver->kept_count--;
        } else {
                transfer = make(driver);
                if (!transfer)
                        return -ENOMEM;
        }
        code = curl_easy_setopt(transfer->easy, CURLOPT_URL, request->url);
        if (code) {
                plait__http_transfer_keep(transfer);
                return code == CURLE_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
        }
        transfer->request = request;
        transfer->failure = 0;
        transfer->head = 0;
        transfer->words[0] = 0;
        request->transfer = transfer;
        return 0;
}

static void end(struct http_transfer *transfer)
{
        curl_easy_cleanup(transfer->easy);
        plait__sys.free(transfer);
}

void plait__http_transfer_keep(struct http_transfer *transfer)
{
        struct http_driver *driver = transfer->driver;

        plait__sys.free(transfer->body);
        transfer->body = NULL;
        transfer->length = transfer->room = 0;
        transfer->request = NULL;
        if (driver->kept_count == HTTP_TRANSFERS_KEPT) {
                end(transfer);
                return;
        }
        transfer->next_kept = driver->kept;
        driver->kept = transfer;
        driver->kept_count++;
}

void plait__http_transfers_end(struct http_driver *driver)
{
        struct http_transfer *transfer;

        while ((transfer = driver->kept)) {
                driver->kept = transfer->next_kept;
                end(transfer);
        }
}
