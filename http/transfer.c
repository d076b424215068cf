/* Transfers: easy handles with their options set once. A handle is kept after its request, and only its URL is new for the next
 * one. */
#define _GNU_SOURCE
#include "driver.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/sys.h"

enum { HEAD_MAX = 256 << 10 };

/* ---- the easy handle */

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

/* The headers that libcurl does not send by itself. It would make them from options of its own as well, but then formats each twice,
 * byte by byte. */
static struct curl_slist agent = {(char *)(uintptr_t)"User-Agent: plait", NULL},
                         headers = {(char *)(uintptr_t)"Accept-Encoding: gzip", &agent};

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
        SET(CURLOPT_HTTPHEADER, &headers);
        SET(CURLOPT_WRITEFUNCTION, plait__http_on_body);
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

        plait__http_body_drop(transfer);
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
