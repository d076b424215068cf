/* What went wrong: as an errno, and in words: URL, phase, why, and what may help. */
#include "driver.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- URLs */

static size_t scheme_length(const char *url)
{
        size_t length = 0;

        if (isalpha((unsigned char)url[0]))
                while (isalnum((unsigned char)url[length]) || (url[length] && strchr("+-.", url[length])))
                        length++;
        return url[length] == ':' ? length : 0;
}

static bool is_ours(const char *url)
{
        size_t length = scheme_length(url);

        return (length == 4 && !strncasecmp(url, "http", 4)) || (length == 5 && !strncasecmp(url, "https", 5));
}

/* libcurl would guess a scheme that is not there, and take "localhost:80" for a host and its port. */
int plait__http_check_url(const char *url)
{
        size_t length = url ? scheme_length(url) : 0;

        if (length == 0 || isdigit((unsigned char)url[length + 1]))
                return -EINVAL;
        if (!is_ours(url))
                return -EPROTONOSUPPORT;
        return strncmp(url + length, "://", 3) || !url[length + 3] || url[length + 3] == '/' ? -EINVAL : 0;
}

/* The URL as it may be shown: without a password, without control characters, its middle left out if it is long. */
static void shorten(char *ret, size_t size, const char *url)
{
        const char *host = strstr(url, "://"), *at;
        size_t length = 0, i;
        char clean[2048];

        host = host ? host + 3 : url;
        at = host + strcspn(host, "/?#");
        while (at > host && *at != '@')
                at--;
        for (i = 0; url[i] && length < sizeof clean - 1; i++) {
                if (&url[i] == host && *at == '@')
                        i = (size_t)(at + 1 - url);
                if (!url[i])
                        break;
                clean[length++] = (unsigned char)url[i] < ' ' || url[i] == 0x7f ? '?' : url[i];
        }
        clean[length] = 0;
        if (length < size)
                memcpy(ret, clean, length + 1);
        else
                snprintf(ret, size, "%.*s...%s", (int)(size - 4 - size / 3), clean, clean + length - size / 3);
}

/* ---- words */

enum { URL_LEAST = 36 };

/* "URL: what happened". The URL gets what room the rest leaves. */
static void say(plait_response *ret, const char *url, const char *what)
{
        size_t rest = strlen(what) + 3, room = sizeof ret->error;
        char shown[sizeof ret->error];

        room = rest + URL_LEAST > room ? URL_LEAST : room - rest;
        shorten(shown, room, !url ? "(null)" : *url ? url : "(empty)");
        if (snprintf(ret->error, sizeof ret->error, "%s: %s", shown, what) >= (int)sizeof ret->error)
                memcpy(ret->error + sizeof ret->error - 4, "...", 4);
}

/* How far a transfer has come. */
static const char *phase_of(const struct http_transfer *transfer)
{
        curl_off_t looked_up = 0, connected = 0, sent = 0, answered = 0;

        curl_easy_getinfo(transfer->easy, CURLINFO_NAMELOOKUP_TIME_T, &looked_up);
        curl_easy_getinfo(transfer->easy, CURLINFO_CONNECT_TIME_T, &connected);
        curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &sent);
        curl_easy_getinfo(transfer->easy, CURLINFO_STARTTRANSFER_TIME_T, &answered);
        return answered ? "receiving" : sent ? "waiting for the answer" : connected ? "beginning TLS" :
               looked_up ? "connecting" : "looking the name up";
}

static int status_of(const struct http_transfer *transfer)
{
        long status = 0;

        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
        return (int)status;
}

void plait__http_say(plait_response *ret, const char *url, const struct http_transfer *transfer, int rc)
{
        const char *where = transfer ? phase_of(transfer) : "beginning";
        char what[96];

        if (transfer)
                ret->status = status_of(transfer);
        switch (rc) {
        case -EINVAL:
                say(ret, url, "not a URL; give all of it: http://host/path");
                return;
        case -EPROTONOSUPPORT:
                say(ret, url, "only http and https are fetched");
                return;
        case -ETIMEDOUT:
                snprintf(what, sizeof what, "out of time while %s; allow more, or ask less", where);
                break;
        case -ECANCELED:
                snprintf(what, sizeof what, "cancelled while %s", where);
                break;
        case -EMFILE:
        case -ENFILE:
                snprintf(what, sizeof what, "no more descriptors while %s; see ulimit -n, or fetch fewer", where);
                break;
        case -EPROTO:
                snprintf(what, sizeof what, "more than 256 KiB of headers; is this the right port?");
                break;
        case -EBADMSG:
                snprintf(what, sizeof what, "the body cannot be decoded: its Content-Encoding is broken, or not gzip");
                break;
        case -EFBIG:
                snprintf(what, sizeof what, "the body has more than %zu bytes, the limit", plait__http_body_max);
                break;
        default:
                snprintf(what, sizeof what, "no memory while %s", where);
        }
        say(ret, url, what);
}

int plait__http_fail(plait_response *ret, const struct http_transfer *transfer, int failure)
{
        plait__http_say(ret, transfer->request->url, transfer, failure);
        return failure == -EBADMSG ? -EPROTO : failure;
}

static const struct meaning {
        CURLcode code;
        int rc;
        const char *words;                      /* NULL: libcurl's own */
} meanings[] = {
        {CURLE_URL_MALFORMAT, -EINVAL, "not a URL; give all of it: http://host/path"},
        {CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH, "the name does not resolve; is it spelled right?"},
        {CURLE_COULDNT_RESOLVE_PROXY, -EHOSTUNREACH, "the proxy's name does not resolve; see http_proxy, https_proxy"},
        {CURLE_COULDNT_CONNECT, -ECONNREFUSED, "no connection; is a server running there, on that port?"},
        {CURLE_OPERATION_TIMEDOUT, -ECONNREFUSED, "no connection in five minutes; is the host up, the port open?"},
        {CURLE_PROXY, -ECONNREFUSED, "the proxy refused; see http_proxy, https_proxy"},
        {CURLE_GOT_NOTHING, -ECONNRESET, "the server closed the connection without an answer; try again"},
        {CURLE_PARTIAL_FILE, -ECONNRESET, "the body was cut short; try again"},
        {CURLE_RECV_ERROR, -ECONNRESET, "the connection broke while receiving; try again"},
        {CURLE_SEND_ERROR, -ECONNRESET, "the connection broke while sending; try again"},
        {CURLE_SEND_FAIL_REWIND, -ECONNRESET, "the connection broke while sending; try again"},
        {CURLE_UNSUPPORTED_PROTOCOL, -EPROTONOSUPPORT, "redirected to what is neither http nor https"},
        {CURLE_WEIRD_SERVER_REPLY, -EPROTO, "the answer is not HTTP; is this the right port?"},
        {CURLE_HTTP2, -EPROTO, NULL},
        {CURLE_HTTP2_STREAM, -EPROTO, NULL},
        {CURLE_TOO_MANY_REDIRECTS, -ELOOP, "more than 20 redirects; see where they lead: curl -IL"},
        {CURLE_FILESIZE_EXCEEDED, -EFBIG, NULL},
        {CURLE_OUT_OF_MEMORY, -ENOMEM, "no memory"},
        {CURLE_FAILED_INIT, -ENOMEM, "no memory"},
        {CURLE_PEER_FAILED_VERIFICATION, -EKEYREJECTED, NULL},
        {CURLE_SSL_CONNECT_ERROR, -EKEYREJECTED, NULL},
        {CURLE_SSL_CACERT_BADFILE, -EKEYREJECTED, NULL},
        {CURLE_SSL_CERTPROBLEM, -EKEYREJECTED, NULL},
        {CURLE_SSL_CIPHER, -EKEYREJECTED, NULL},
        {CURLE_SSL_CRL_BADFILE, -EKEYREJECTED, NULL},
        {CURLE_SSL_ISSUER_ERROR, -EKEYREJECTED, NULL},
        {CURLE_SSL_INVALIDCERTSTATUS, -EKEYREJECTED, NULL},
        {CURLE_SSL_PINNEDPUBKEYNOTMATCH, -EKEYREJECTED, NULL},
        {CURLE_SSL_ENGINE_NOTFOUND, -EKEYREJECTED, NULL},
};

static const struct meaning *meaning_of(CURLcode code)
{
        static const struct meaning unknown = {CURLE_OK, -EIO, NULL};
        size_t i;

        for (i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
                if (meanings[i].code == code)
                        return &meanings[i];
        return &unknown;
}

int plait__http_explain(const struct http_transfer *transfer, CURLcode code, plait_response *ret)
{
        const struct meaning *meaning;
        const char *url = transfer->request->url, *last = NULL, *words;

        ret->status = status_of(transfer);
        if (code == CURLE_OK)
                return 0;
        if (transfer->failure)
                return plait__http_fail(ret, transfer, transfer->failure);
        curl_easy_getinfo(transfer->easy, CURLINFO_EFFECTIVE_URL, &last);
        if (code == CURLE_UNSUPPORTED_PROTOCOL && last && is_ours(last))
                code = CURLE_WEIRD_SERVER_REPLY;        /* "HTTP/0.9": libcurl blames the scheme, but that was right */
        if (code == CURLE_RECV_ERROR && strstr(transfer->words, "chunked-encoding"))
                code = CURLE_WEIRD_SERVER_REPLY;        /* the connection is fine; what came is not */
        meaning = meaning_of(code);
        words = meaning->words ? meaning->words : transfer->words[0] ? transfer->words : curl_easy_strerror(code);
        say(ret, url, words);
        return meaning->rc;
}
