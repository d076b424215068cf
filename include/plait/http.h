/* HTTP: fetching, from any strand. Library plait-http: link with -lplait-http -lplait, or pkg-config plait-http. */
#ifndef PLAIT_HTTP_H
#define PLAIT_HTTP_H

#include <plait/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a server answered. `{0}` is its first state. One strand at a time uses it; it does not cross a process: copy
 * from it what the task's struct shall carry. */
typedef struct plait_response {
        int status PLAIT__ZERO;                 /* 200, 404, ...: the one after all redirects; 0: none came.
                                                 * On failure too, as when the deadline came in the body */
        char *body PLAIT__ZERO;                 /* decoded, and then a 0 that is not counted; the response's own */
        size_t length PLAIT__ZERO;              /* bytes of body */
        char error[120] PLAIT__ZERO;            /* on failure: which URL, which phase, why; else "" */
        uint64_t private_[8] PLAIT__ZERO;
} plait_response;

/* Fetches an http or https URL with GET, from any strand; coroutines of the thread run meanwhile. The URL is a whole
 * one, with its scheme. Redirects are followed, to http and https only, 20 at most. Certificates are verified, against
 * those that the system trusts or, as with other programs, SSL_CERT_FILE and SSL_CERT_DIR name. gzip is asked for, and
 * decoded. Connections are kept and used again by the requests of the same thread, until it ends. Proxies are those of
 * the environment (http_proxy, https_proxy, no_proxy).
 *
 * *ret is overwritten, not read: give a zeroed response, or one that is done. On every return it is the caller's, for
 * plait_response_done(); on failure `body` is NULL, `length` 0, and `error` a text.
 *
 * Returns 0 for every status, 404 too. Failures:
 *
 *   -EINVAL             the URL does not parse
 *   -EPROTONOSUPPORT    its scheme, or that of a redirect, is neither http nor https
 *   -EHOSTUNREACH       the name does not resolve
 *   -ECONNREFUSED       no connection could be made to the address: refused, no way there, or no answer in 5 minutes
 *   -ECONNRESET         the connection or the body was cut short
 *   -EPROTO             what came is not HTTP, cannot be decoded, or has more than 256 KiB of headers
 *   -EKEYREJECTED       the certificate, or the TLS handshake
 *   -ELOOP              more than 20 redirects
 *   -EFBIG              the body has more than 1 GiB of decoded bytes
 *   -ENOMEM             no memory
 *   -EMFILE, -ENFILE    no more descriptors
 *   -EIO                what libcurl has no better word for; `error` does
 *   -ETIMEDOUT          the deadline; there is none unless a group or scope sets one
 *   -ECANCELED          a cancel */
PLAIT_WAITS int plait_http_get(const char *url, plait_response *ret);

/* Frees the body and zeroes the response. Takes a zeroed one, one that failed, and one that is done. Does not park. */
PLAIT_API void plait_response_done(plait_response *response);

#ifdef __cplusplus
}
#endif
#endif
