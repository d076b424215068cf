/* plait_http_get() with 64 at once, CPU time per request of this process; the server is another one: a small epoll loop that
 * answers each request with the same 1 KiB and keeps the connection.
 *
 * The floor: bare libcurl-multi with curl_multi_socket_action() on epoll: 64 easy handles, each used again and again, which send
 * the same request (libcurl formats its headers byte by byte, so two headers fewer are 10 % less), and the body copied to memory. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <plait.h>
#include <plait/http.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum { AT_ONCE = 64, REQUESTS = 20000, BODY = 1024, FDS_MAX = 1024 };

static bool absent(void)
{
#ifdef BENCH_HTTP
        return false;
#else
        return true;
#endif
}

/* ---- the server */

static char url[64];

static void answer(int fd, const char *reply, size_t size)
{
        static char request[65536];
        ssize_t n = read(fd, request, sizeof request - 1);
        const char *end = request;

        if (n <= 0) {
                close(fd);
                return;
        }
        request[n] = 0;                         /* a client that waits for its answer sends one at a time */
        while ((end = strstr(end, "\r\n\r\n"))) {
                end += 4;
                if (write(fd, reply, size) != (ssize_t)size)
                        _exit(1);
        }
}

static void serve(int listener)
{
        struct epoll_event events[256], event = {.events = EPOLLIN, .data.fd = listener};
        int epoll = epoll_create1(0), count, fd;
        char reply[BODY + 256];
        size_t size = (size_t)snprintf(reply, sizeof reply,
                                       "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", BODY);

        memset(reply + size, 'x', BODY);
        size += BODY;
        epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
        for (;;) {
                count = epoll_wait(epoll, events, 256, -1);
                for (int i = 0; i < count; i++) {
                        if (events[i].data.fd != listener) {
                                answer(events[i].data.fd, reply, size);
                                continue;
                        }
                        fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                        event = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
                        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
                }
        }
}

static void server_open(void)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof address;
        int listener;

        if (*url)
                return;
        for (const char *const *name = (const char *const[]){"http_proxy", "all_proxy", "ALL_PROXY", NULL}; *name; name++)
                unsetenv(*name);
        listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        BENCH_CHECK(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 1024) == 0);
        BENCH_CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
        if (fork() == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                serve(listener);
        }
        close(listener);
}

static double cpu_us(void)
{
        struct rusage usage;

        getrusage(RUSAGE_SELF, &usage);
        return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static int left;

/* ---- plait */

#ifdef BENCH_HTTP
static int get_many(void *arg)
{
        (void)arg;
        while (left > 0) {
                plait_response response = {0};

                left--;
                BENCH_CHECK(plait_http_get(url, &response) == 0);
                BENCH_CHECK(response.status == 200 && response.length == BODY);
                plait_response_done(&response);
        }
        return 0;
}

static double get_plait(void)
{
        double start;
        int i;

        server_open();
        left = REQUESTS;
        start = cpu_us();
        PLAIT_GROUP(group, .name = "http");
        for (i = 0; i < AT_ONCE; i++)
                plait_group_start(&group, get_many, NULL, 0);
        BENCH_CHECK(plait_group_wait(&group) == 0);
        return (cpu_us() - start) / REQUESTS;
}
#else
#define get_plait NULL
#endif

/* ---- the floor */

struct transfer {
        CURL *easy;
        size_t length;
        char body[BODY * 4];
};

static struct {
        CURLM *multi;
        int epoll;
        int running;
        long timeout_ms;
        struct transfer transfers[AT_ONCE];
        uint32_t registered[FDS_MAX];
} bare;

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
        struct transfer *transfer = arg;

        (void)size;
        if (transfer->length + count > sizeof transfer->body)
                return 0;
        memcpy(transfer->body + transfer->length, data, count);
        transfer->length += count;
        return count;
}

/* A descriptor stays registered, for as long as it is open, with what libcurl wanted last: between two requests of a connection
 * that is most often the same, and then there is nothing to tell the kernel. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_data)
{
        uint32_t wanted = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
        struct epoll_event event = {.events = wanted, .data.fd = fd};

        (void)easy;
        (void)arg;
        (void)socket_data;
        BENCH_CHECK(fd < FDS_MAX);
        if (what == CURL_POLL_REMOVE || wanted == bare.registered[fd])
                return 0;
        BENCH_CHECK(epoll_ctl(bare.epoll, bare.registered[fd] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0);
        bare.registered[fd] = wanted;
        return 0;
}

static int close_socket(void *arg, curl_socket_t fd)
{
        (void)arg;
        bare.registered[fd] = 0;
        return close(fd);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
        (void)multi;
        (void)arg;
        bare.timeout_ms = timeout_ms;
        return 0;
}

static void transfer_start(struct transfer *transfer)
{
        left--;
        bare.running++;
        transfer->length = 0;
        BENCH_CHECK(curl_multi_add_handle(bare.multi, transfer->easy) == CURLM_OK);
}

static void transfers_done(void)
{
        struct transfer *transfer;
        CURLMsg *message;
        long status;
        int in_queue;

        while ((message = curl_multi_info_read(bare.multi, &in_queue))) {
                curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
                curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
                BENCH_CHECK(message->data.result == CURLE_OK && status == 200 && transfer->length == BODY);
                curl_multi_remove_handle(bare.multi, transfer->easy);
                bare.running--;
                if (left > 0)
                        transfer_start(transfer);
        }
}

static void bare_open(void)
{
        static struct curl_slist agent = {(char *)"User-Agent: plait", NULL}, encodings = {(char *)"Accept-Encoding: gzip", &agent};
        int i;

        curl_global_init(CURL_GLOBAL_DEFAULT);
        bare.epoll = epoll_create1(EPOLL_CLOEXEC);
        bare.multi = curl_multi_init();
        curl_multi_setopt(bare.multi, CURLMOPT_SOCKETFUNCTION, on_socket);
        curl_multi_setopt(bare.multi, CURLMOPT_TIMERFUNCTION, on_timer);
        curl_multi_setopt(bare.multi, CURLMOPT_MAXCONNECTS, (long)AT_ONCE);
        for (i = 0; i < AT_ONCE; i++) {
                struct transfer *transfer = &bare.transfers[i];

                transfer->easy = curl_easy_init();
                curl_easy_setopt(transfer->easy, CURLOPT_URL, url);
                curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, &encodings);
                curl_easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, take_body);
                curl_easy_setopt(transfer->easy, CURLOPT_WRITEDATA, transfer);
                curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
                curl_easy_setopt(transfer->easy, CURLOPT_NOSIGNAL, 1L);
                curl_easy_setopt(transfer->easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
        }
}

static double get_floor(void)
{
        struct epoll_event events[AT_ONCE];
        int count, running, i;
        double start;

        server_open();
        left = REQUESTS;
        start = cpu_us();
        if (!bare.multi)
                bare_open();
        for (i = 0; i < AT_ONCE; i++)
                transfer_start(&bare.transfers[i]);
        while (bare.running > 0) {
                if (bare.timeout_ms == 0) {
                        bare.timeout_ms = -1;
                        curl_multi_socket_action(bare.multi, CURL_SOCKET_TIMEOUT, 0, &running);
                        transfers_done();
                        continue;
                }
                count = epoll_wait(bare.epoll, events, AT_ONCE, (int)bare.timeout_ms);
                if (count == 0)
                        curl_multi_socket_action(bare.multi, CURL_SOCKET_TIMEOUT, 0, &running);
                for (i = 0; i < count; i++)
                        curl_multi_socket_action(bare.multi, events[i].data.fd,
                                                 (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                                                         (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                                                         (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0),
                                                 &running);
                transfers_done();
        }
        return (cpu_us() - start) / REQUESTS;
}

const struct bench bench_http[] = {
        {"http-64", "us", get_plait, get_floor, .goal_ratio = 1.10, .absent = absent},
        {0},
};
