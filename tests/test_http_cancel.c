/* HTTP: deadline and cancel, in each phase of a request. */
#define _GNU_SOURCE
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <plait/http.h>

#include "site.h"

struct wait {
        char url[128];
        char error[120];
        int status;
};

static int fetch(void *arg)
{
        struct wait *wait = arg;
        plait_response response;
        int rc = plait_http_get(wait->url, &response);

        memcpy(wait->error, response.error, sizeof wait->error);
        wait->status = response.status;
        plait_response_done(&response);
        return rc;
}

/* ---- deadlines */

static int fetch_within(void *arg)
{
        PLAIT_WITHIN(50 * PLAIT_MS);

        return fetch(arg);
}

TEST_ON_ALL_EXECUTORS(a_silent_server_does_not_outlast_the_deadline)
{
        struct site site;
        struct wait wait;
        plait_time began = plait_now();

        site_open(&site);
        snprintf(wait.url, sizeof wait.url, "%shang", site.url);
        CHECK_EQUAL(plait_call(test_executor(), fetch_within, &wait, sizeof wait), -ETIMEDOUT);
        CHECK(plait_now() - began >= 50 * PLAIT_MS && plait_now() - began < 5 * PLAIT_S);
        CHECK(strstr(wait.error, "waiting for the answer"));
        CHECK_EQUAL(wait.status, 0);
        site_close(&site);
}

static int fetch_when_over(void *arg)
{
        struct site site;
        struct wait wait;

        (void)arg;
        site_open(&site);
        strcpy(wait.url, site.url);
        {
                PLAIT_WITHIN(0);

                CHECK_EQUAL(fetch(&wait), -ETIMEDOUT);
        }
        CHECK_EQUAL(site.connections, 0);
        CHECK_EQUAL(fetch(&wait), 0);
        site_close(&site);
        return 0;
}

TEST(a_deadline_that_is_over_lets_nothing_begin)
{
        on_a_thread(fetch_when_over, NULL, 0);
}

/* ---- cancel */

/* A server that says half of a body, and then how the client went. */
struct half {
        int listener;
        plait_event half_sent;
        ssize_t end;                            /* what its read gave: 0, the client closed */
};

static int serve_half(void *arg)
{
        static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345";
        struct half *half = arg;
        char request[4096];
        int fd = plait_accept(half->listener, NULL, NULL);

        CHECK(fd >= 0);
        CHECK(plait_read(fd, request, sizeof request) > 0);
        CHECK_EQUAL(plait_write(fd, text, sizeof text - 1), sizeof text - 1);
        plait_event_set(&half->half_sent);
        half->end = plait_read(fd, request, sizeof request);
        CHECK_EQUAL(plait_close(fd), 0);
        return 0;
}

TEST_ON_ALL_EXECUTORS(a_cancel_in_the_body_drops_the_connection)
{
        struct half half = {.end = -1};
        struct wait wait;
        plait_task *task;
        int result = 0;
        PLAIT_GROUP(server, .name = "server");
        PLAIT_GROUP(client, .executor = test_executor());

        half.listener = listen_here(wait.url);
        plait_group_start(&server, serve_half, &half, sizeof half);
        task = plait_group_start(&client, fetch, &wait, sizeof wait);
        CHECK_EQUAL(plait_event_wait(&half.half_sent), 0);
        plait_task_cancel(task);
        CHECK_EQUAL(plait_task_wait(task, &result), 0);
        CHECK_EQUAL(result, -ECANCELED);
        CHECK(strstr(wait.error, "cancelled while"));
        CHECK_EQUAL(plait_group_wait(&client), 0);
        CHECK_EQUAL(plait_group_wait(&server), 0);
        CHECK(half.end == 0 || half.end == -ECONNRESET);        /* the latter if the client had not read all */
        CHECK_EQUAL(plait_close(half.listener), 0);
}

static int fetch_within_long(void *arg)
{
        PLAIT_WITHIN(test_slower() * 500 * PLAIT_MS);

        return fetch(arg);
}

TEST_ON_ALL_EXECUTORS(a_deadline_in_the_body_keeps_the_status)
{
        struct half half = {.end = -1};
        struct wait wait = {.status = -1};
        PLAIT_GROUP(server, .name = "server");

        half.listener = listen_here(wait.url);
        plait_group_start(&server, serve_half, &half, sizeof half);
        CHECK_EQUAL(plait_call(test_executor(), fetch_within_long, &wait, sizeof wait), -ETIMEDOUT);
        CHECK(strstr(wait.error, "out of time while receiving"));
        CHECK_EQUAL(wait.status, 200);
        CHECK_EQUAL(plait_group_wait(&server), 0);
        CHECK_EQUAL(plait_close(half.listener), 0);
}

/* ---- a name server that says nothing */

static bool write_file(const char *path, const char *text)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

        close(fd);
        return done;
}

static bool raise_loopback(void)
{
        struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        bool done = ioctl(fd, SIOCSIFFLAGS, &request) == 0;

        close(fd);
        return done;
}

/* In namespaces of our own, where 127.0.0.1 is the name server: a socket that nobody reads. NULL, or what was refused. */
static const char *silence_names(void)
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        char conf[] = "/tmp/plait-resolv-XXXXXX", hosts[] = "/tmp/plait-nsswitch-XXXXXX";
        int fd;

        if (unshare((geteuid() ? CLONE_NEWUSER : 0) | CLONE_NEWNS | CLONE_NEWNET) < 0)
                return "no namespaces of our own: unshare() is refused";
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                return "no mounts of our own";
        close(mkstemp(conf));
        close(mkstemp(hosts));
        if (!write_file(conf, "nameserver 127.0.0.1\n") || mount(conf, "/etc/resolv.conf", NULL, MS_BIND, NULL) < 0 ||
            !write_file(hosts, "hosts: dns\n") || mount(hosts, "/etc/nsswitch.conf", NULL, MS_BIND, NULL) < 0)
                return "/etc/resolv.conf cannot be covered";
        unlink(conf);
        unlink(hosts);
        fd = socket(AF_INET, SOCK_DGRAM, 0);
        if (!raise_loopback() || bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
                return "no name server of our own";
        return NULL;
}

static int fetch_unresolved(void *arg)
{
        struct wait wait = {.url = "http://silent.example/"};
        plait_time began = plait_now();

        (void)arg;
        CHECK_EQUAL(fetch_within(&wait), -ETIMEDOUT);
        CHECK(plait_now() - began < PLAIT_S);
        CHECK(strstr(wait.error, "looking the name up"));
        return 0;
}

/* Once: the thread in getaddrinfo() is left to itself, and ends when that does. */
TEST(a_silent_name_server_does_not_outlast_the_deadline, .once = true)
{
        const char *refused = silence_names();
        plait_time began = plait_now();

        if (refused)
                SKIP(refused);
        on_a_thread(fetch_unresolved, NULL, 1);
        CHECK(plait_now() - began < 2 * PLAIT_S);       /* the end of a thread that has used HTTP does not wait either */
}
