/* The driver: what one loop has for HTTP. A strand of the library's own, the service, does everything that is
 * libcurl's, on a stack that is large enough for it, and on the loop's own thread, so that nothing here is locked. A
 * strand that asks puts its request into `incoming`, wakes the service and parks until its request is granted; cut
 * short, it moves the request to `cut`, and is let go when the service has taken the transfer out of libcurl's hands.
 *
 *      request     of the strand that asked, on its stack
 *      transfer    an easy handle and the body that it receives; kept for the next request
 *      socket      one of libcurl's descriptors, watched from its opening to its closing (sockets.c)
 *
 * A request is INCOMING, then RUNNING (it has a transfer), perhaps CUT, and at last DONE: then nobody but its strand
 * has it. */
#ifndef PLAIT__HTTP_DRIVER_H
#define PLAIT__HTTP_DRIVER_H

#include <curl/curl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "base/list.h"
#include "core/loop.h"
#include "core/poller.h"
#include "plait/http.h"

enum {
        HTTP_LOCAL = 0,                         /* our slot of the loop's locals */
        HTTP_ASKED = 64,                        /* sockets asked about in one call of the kernel */
        HTTP_TRANSFERS_KEPT = 256,
        HTTP_CONNECTIONS_KEPT = 128
};

enum http_state { HTTP_INCOMING, HTTP_RUNNING, HTTP_CUT, HTTP_DONE };

struct http_request {
        struct plait__link link;                /* in the driver's incoming or cut */
        struct plait__strand *strand;           /* whose it is */
        const char *url;
        plait_response *response;
        struct http_transfer *transfer;         /* while it runs */
        enum http_state state;
        int result;                             /* once done; before, with CUT: what ended it */
};

struct http_transfer {
        struct plait__link link;                /* in the driver's running */
        struct http_transfer *next_kept;
        struct http_driver *driver;
        struct http_request *request;           /* NULL: it waits for the next one */
        CURL *easy;
        char *body;
        size_t length, room;                    /* room: bytes allocated, more than length */
        bool begun;                             /* the first bytes of the body have come */
        bool inflated;                          /* the compressed body has come to its end */
        z_stream *inflate;                      /* NULL: it is not compressed */
        size_t head;                            /* bytes of headers so far, trailers among them */
        int failure;                            /* what a callback of ours found: -ENOMEM, -EFBIG, -EMFILE; -EPROTO, the headers;
                                                 * -EBADMSG, the encoding; else 0 */
        char words[CURL_ERROR_SIZE];            /* libcurl's own */
};

struct http_socket {
        struct plait__interest interest;        /* first: what the poller puts on `fired` */
        struct plait__link turn;                /* in the driver's hot or doubtful */
        int fd;
        short wanted;                           /* POLLIN, POLLOUT: what libcurl waits for now */
        short maybe;                            /* ready for, perhaps: an edge came, and nothing took it back */
        bool lent;                              /* not opened through us: the resolver's */
        bool connected;
        bool hung_up;                           /* by the other side */
};

struct http_driver {
        struct plait__loop *loop;
        struct plait__strand *service;
        CURLM *multi;                           /* NULL: not made yet, or given up */
        plait_time timer;                       /* when libcurl wants to be called; PLAIT_FOREVER: it does not */
        struct plait__link incoming, cut;       /* requests */
        struct plait__link running;             /* transfers */
        struct http_transfer *kept;
        unsigned kept_count;

        struct http_socket **sockets;           /* by descriptor */
        size_t sockets_room;
        unsigned connected, hung_up;            /* sockets that are; connected ones that are this as well */
        struct plait__interest *fired;
        struct plait__link hot, doubtful;       /* to be acted on; to be asked about */
        struct pollfd asked[HTTP_ASKED];

        bool masked;                            /* signals are blocked: a thread of libcurl's may be starting */
        sigset_t mask;                          /* as it was before */
};

/* Bytes of a body, decoded, at most. A variable so that a test need not send a gigabyte. */
extern size_t plait__http_body_max;

/* ---- driver.c */

/* That of the running strand's loop, made if need be; NULL: no memory. */
struct http_driver *plait__http_driver(struct plait__loop *loop);

/* ---- transfer.c */

/* A transfer for the request, with an easy handle that knows its URL; 0, -ENOMEM or -EINVAL. */
int plait__http_transfer_take(struct http_driver *driver, struct http_request *request);

/* Frees what it received, and keeps it for the next request. It is out of the multi handle. */
void plait__http_transfer_keep(struct http_transfer *transfer);

void plait__http_transfers_end(struct http_driver *driver);

/* ---- body.c */

/* A callback of libcurl. */
size_t plait__http_on_body(char *bytes, size_t one, size_t size, void *transfer);

/* Gives the body to the response; or says what is wrong with it. */
int plait__http_transfer_body(struct http_transfer *transfer, plait_response *ret);

void plait__http_body_drop(struct http_transfer *transfer);

/* ---- sockets.c */

/* The callbacks of libcurl. */
int plait__http_on_socket(CURL *easy, curl_socket_t fd, int what, void *driver, void *unused);
curl_socket_t plait__http_open_socket(void *transfer, curlsocktype purpose, struct curl_sockaddr *address);
int plait__http_close_socket(void *driver, curl_socket_t fd);

/* Calls libcurl for each socket that is ready. False: libcurl is beyond help. */
bool plait__http_sockets_act(struct http_driver *driver);

/* Finds out which of those that were acted on are ready still: they are hot again. */
void plait__http_sockets_ask(struct http_driver *driver);

void plait__http_sockets_end(struct http_driver *driver);

/* ---- words.c */

/* Whether it is a URL of ours: 0, -EINVAL or -EPROTONOSUPPORT. */
int plait__http_check_url(const char *url);

/* What the transfer's end means, as a negative errno; the response gets the words. */
int plait__http_explain(const struct http_transfer *transfer, CURLcode code, plait_response *ret);

/* The words for what we found ourselves, and the errno that the caller gets for it. */
int plait__http_fail(plait_response *ret, const struct http_transfer *transfer, int failure);

/* The words for a request that libcurl has no say in: `rc`, and where it was (NULL: not begun); the status that came. */
void plait__http_say(plait_response *ret, const char *url, const struct http_transfer *transfer, int rc);

#endif
