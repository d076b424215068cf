/* HTTP: what arrives, what each failure is, and that deadline and cancel reach it. Most bodies run on a thread of
 * their own: its connections are closed when it ends, so that the harness sees what is left behind. */
#define _GNU_SOURCE
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <plait/http.h>

#include "../http/driver.h"
#include "fault.h"
#include "site.h"

/* One request of a task; it may travel. */
struct fetch {
        char url[128];
        int expected;
        int status;
        size_t length;
};

static void set_url(struct fetch *fetch, const char *site, const char *path)
{
        snprintf(fetch->url, sizeof fetch->url, "%s%s", site, path);
}

/* The body is what serve_byte() says. */
static int fetch_pattern(void *arg)
{
        struct fetch *fetch = arg;
        plait_response response;

        CHECK_EQUAL(plait_http_get(fetch->url, &response), 0);
        CHECK_EQUAL(response.status, 200);
        CHECK(!response.error[0]);
        for (size_t i = 0; i < response.length; i++)
                if (response.body[i] != serve_byte(i))
                        test_fail(__FILE__, __LINE__, "byte %zu is wrong", i);
        CHECK_EQUAL(response.body[response.length], 0);
        fetch->status = response.status;
        fetch->length = response.length;
        plait_response_done(&response);
        return 0;
}

/* ---- what arrives */

TEST_ON_ALL_EXECUTORS(many_at_once_arrive_whole)
{
        struct fetch fetches[64];
        struct site site;
        plait_map_options options = {.executor = test_executor(), .limit = 16};

        site_open(&site);
        for (int i = 0; i < 64; i++) {
                set_url(&fetches[i], site.url, i % 2 ? "bytes/100000" : "chunked/70001");
                fetches[i].length = 0;
        }
        CHECK_EQUAL(plait_map_with(&options, fetch_pattern, fetches, 64, sizeof fetches[0]), 0);
        for (int i = 0; i < 64; i++)
                CHECK_EQUAL(fetches[i].length, i % 2 ? 100000 : 70001);
        site_close(&site);
}

static int expect_status(const char *site, const char *path, int status, size_t length)
{
        struct fetch fetch;
        plait_response response = {0};
        int rc;

        set_url(&fetch, site, path);
        rc = plait_http_get(fetch.url, &response);
        if (rc < 0)
                test_fail(__FILE__, __LINE__, "%s", response.error);
        CHECK_EQUAL(response.status, status);
        CHECK_EQUAL(response.length, length);
        CHECK(response.body && strlen(response.body) == length);
        plait_response_done(&response);
        CHECK(!response.body && !response.status && !response.length);
        plait_response_done(&response);
        return 0;
}

static int fetch_each_kind(void *arg)
{
        struct site site;

        (void)arg;
        site_open(&site);
        expect_status(site.url, "", 200, 1000);
        expect_status(site.url, "bytes/0", 200, 0);
        expect_status(site.url, "chunked/0", 200, 0);
        expect_status(site.url, "gzip/100000", 200, 100000);
        expect_status(site.url, "redirect/20", 200, 1000);
        expect_status(site.url, "status/404", 404, 4);
        expect_status(site.url, "status/503", 503, 4);
        expect_status(site.url, "status/204", 204, 0);
        expect_status(site.url, "slow/3", 200, 3);
        site_close(&site);
        return 0;
}

TEST(each_kind_of_answer_is_taken)
{
        on_a_thread(fetch_each_kind, NULL, 0);
}

static int fetch_large(void *arg)
{
        struct fetch large = {.expected = 0};
        struct site site;

        (void)arg;
        site_open(&site);
        set_url(&large, site.url, "bytes/100000000");
        CHECK_EQUAL(fetch_pattern(&large), 0);
        CHECK_EQUAL(large.length, 100000000);
        set_url(&large, site.url, "chunked/20000000");
        CHECK_EQUAL(fetch_pattern(&large), 0);
        CHECK_EQUAL(large.length, 20000000);
        site_close(&site);
        return 0;
}

/* libcurl reads a little and expects to be called again; the loop tells of an edge once (http/sockets.c). */
TEST(a_hundred_megabytes_arrive, .seconds = 60)
{
        on_a_thread(fetch_large, NULL, 0);
}

static int fetch_again(void *arg)
{
        struct fetch fetches[8] = {{.expected = 0}};
        struct site site;

        (void)arg;
        site_open(&site);
        for (int i = 0; i < 8; i++)
                set_url(&fetches[i], site.url, i % 2 ? "bytes/10" : "chunked/10");
        for (int i = 0; i < 8; i++)
                CHECK_EQUAL(fetch_pattern(&fetches[i]), 0);
        CHECK_EQUAL(site.connections, 1);
        for (int round = 0; round < 10; round++)
                CHECK_EQUAL(plait_map(plait_coroutines(), fetch_pattern, fetches, 8, sizeof fetches[0]), 0);
        CHECK(site.connections <= 8);
        site_close(&site);
        return 0;
}

TEST(connections_are_used_again)
{
        on_a_thread(fetch_again, NULL, 0);
}

static int fetch_by_name(void *arg)
{
        struct fetch fetch = {.expected = 0};
        struct site site;

        (void)arg;
        for (int i = 0; i < 20; i++) {
                site_open(&site);
                snprintf(fetch.url, sizeof fetch.url, "http://localhost%s", strrchr(site.url, ':'));
                CHECK_EQUAL(fetch_pattern(&fetch), 0);
                site_close(&site);
        }
        return 0;
}

/* libcurl tries ::1 first, where nobody listens; the second try's socket may have the number of the first. */
TEST(the_second_address_is_tried)
{
        on_a_thread(fetch_by_name, NULL, 0);
}

static int fetch_after_close(void *arg)
{
        struct site site;

        (void)arg;
        for (int i = 0; i < 3; i++) {
                site_open(&site);
                expect_status(site.url, "", 200, 1000);
                site_close(&site);
        }
        return 0;
}

TEST(a_server_may_go_and_another_come)
{
        on_a_thread(fetch_after_close, NULL, 0);
}

static int fetch_beside_others(void *arg)
{
        struct fetch fetches[50] = {{.expected = 0}};
        struct site site;
        plait_time began = plait_now();

        (void)arg;
        site_open(&site);
        site.server.latency = 100 * PLAIT_MS;
        for (int i = 0; i < 50; i++)
                set_url(&fetches[i], site.url, "");
        CHECK_EQUAL(plait_map(plait_coroutines(), fetch_pattern, fetches, 50, sizeof fetches[0]), 0);
        CHECK(plait_now() - began >= 100 * PLAIT_MS);
        CHECK(plait_now() - began < 2 * PLAIT_S * (int)test_slower());  /* one after the other: 5 s */
        site_close(&site);
        return 0;
}

TEST(requests_of_one_thread_go_on_side_by_side)
{
        on_a_thread(fetch_beside_others, NULL, 0);
}

/* ---- what fails */

static void expect_failure(const char *url, int rc, const char *word)
{
        plait_response response;
        int found;

        test_note("%s", url);
        memset(&response, 0xa5, sizeof response);
        found = plait_http_get(url, &response);
        if (found != rc)
                test_fail(__FILE__, __LINE__, "%s: %d in place of %d: %s", url, found, rc, response.error);
        CHECK(!response.body);
        CHECK_EQUAL(response.length, 0);
        if (!strstr(response.error, word))
                test_fail(__FILE__, __LINE__, "'%s' is not in '%s'", word, response.error);
        plait_response_done(&response);
}

static int fail_each_way(void *arg)
{
        static const struct { const char *path; int rc; const char *word; } failures[] = {
                {"cut/1000", -ECONNRESET, "cut short"},
                {"garbage", -EPROTO, "not HTTP"},
                {"loop", -ELOOP, "20 redirects"},
                {"redirect/21", -ELOOP, "20 redirects"},
        };
        struct site site;
        struct fetch fetch;
        char refused[64];

        (void)arg;
        site_open(&site);
        for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
                set_url(&fetch, site.url, failures[i].path);
                expect_failure(fetch.url, failures[i].rc, failures[i].word);
        }
        site_close(&site);
        close(listen_here(refused));
        expect_failure(refused, -ECONNREFUSED, "no connection");
        return 0;
}

TEST(each_failure_has_its_code)
{
        on_a_thread(fail_each_way, NULL, 0);
}

static int fail_each_url(void *arg)
{
        static const struct { const char *url; int rc; } failures[] = {
                {NULL, -EINVAL}, {"", -EINVAL}, {"nonsense", -EINVAL}, {"localhost:80/x", -EINVAL}, {"http:", -EINVAL},
                {"http://", -EINVAL}, {"http:///x", -EINVAL}, {"//host/x", -EINVAL}, {"http://a b/", -EINVAL},
                {"http://host:port/", -EINVAL}, {"http://127.0.0.1:99999/", -EINVAL}, {"http://a\nb/", -EINVAL},
                {"ftp://127.0.0.1/x", -EPROTONOSUPPORT}, {"file:///etc/passwd", -EPROTONOSUPPORT},
                {"gopher://127.0.0.1/", -EPROTONOSUPPORT}, {"mailto:a@b", -EPROTONOSUPPORT},
                {"httpx://127.0.0.1/", -EPROTONOSUPPORT},
        };
        char longest[5000] = "http://127.0.0.1:1/";

        (void)arg;
        for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
                expect_failure(failures[i].url, failures[i].rc, "");
        expect_failure("", -EINVAL, "(empty): not a URL");
        memset(longest + strlen(longest), 'x', sizeof longest - strlen(longest) - 1);
        expect_failure(longest, -ECONNREFUSED, "http://127.0.0.1:1/xx");
        expect_failure("http://me:secret@127.0.0.1:1/", -ECONNREFUSED, "http://127.0.0.1:1/");
        return 0;
}

TEST(a_url_that_is_none_of_ours_is_refused)
{
        on_a_thread(fail_each_url, NULL, 0);
}

/* A server that never ends: in what it says before the body, or after it. */
struct flood {
        int listener;
        const char *begins, *line;              /* the line comes again and again */
        char url[64];
        plait_fn *client;
};

static int serve_flood(void *arg)
{
        struct flood *flood = arg;
        char request[4096], lines[8192] = "";
        int fd = plait_accept(flood->listener, NULL, NULL);
        ssize_t n;

        CHECK(fd >= 0);
        while (strlen(lines) + strlen(flood->line) < sizeof lines)
                strcat(lines, flood->line);
        CHECK(plait_read(fd, request, sizeof request) > 0);
        n = plait_write(fd, flood->begins, strlen(flood->begins));
        while (n >= 0)
                n = plait_write(fd, lines, strlen(lines));
        CHECK_EQUAL(plait_close(fd), 0);
        return 0;
}

static int fetch_flood(void *arg)
{
        struct flood *flood = arg;
        PLAIT_GROUP(server, .executor = plait_own_thread());

        flood->listener = listen_here(flood->url);
        plait_group_start(&server, serve_flood, flood, sizeof *flood);
        CHECK_EQUAL(flood->client(flood->url), 0);
        CHECK_EQUAL(plait_group_wait(&server), 0);
        CHECK_EQUAL(plait_close(flood->listener), 0);
        return 0;
}

static int refuse_flood(void *url)
{
        expect_failure(url, -EPROTO, "256 KiB of headers");
        return 0;
}

TEST(headers_without_end_are_refused)
{
        static const char *const begins[] = {"HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"};

        for (int i = 0; i < 2; i++)
                on_a_thread(fetch_flood, &(struct flood){.begins = begins[i], .line = "X-Line: one of very many\r\n",
                                                         .client = refuse_flood}, 0);
}

static int end_flood(void *url)
{
        plait_time began = plait_now();
        PLAIT_WITHIN(200 * PLAIT_MS);

        expect_failure(url, -ETIMEDOUT, "receiving");
        CHECK(plait_now() - began < 5 * PLAIT_S * (int)test_slower());
        return 0;
}

TEST(a_flood_does_not_outlast_the_deadline)
{
        static const char begins[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;";

        on_a_thread(fetch_flood, &(struct flood){.begins = begins, .line = "an extension of the chunk, ",
                                                 .client = end_flood}, 0);
}

struct raw_failure {
        const char *answer;
        bool reset;
        int rc;
};

static int fail_raw(void *arg)
{
        const struct raw_failure *failure = arg;
        struct raw_site site = {.reset = failure->reset};

        raw_site_open(&site, failure->answer, strlen(failure->answer));
        expect_failure(site.url, failure->rc, "127.0.0.1");
        raw_site_close(&site);
        return 0;
}

/* The first bytes of what gzip makes, with no NUL among them for the sake of the string: the name of the file, not yet ended. */
#define GZIP_HEAD "\x1f\x8b\x08\x08\x01\x01\x01\x01\x02\x03"

TEST(each_broken_answer_has_its_code)
{
        static struct raw_failure failures[] = {
                {"", false, -ECONNRESET},
                {"", true, -ECONNRESET},
                {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n123", true, -ECONNRESET},
                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123", false, -ECONNRESET},
                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n", false, -ECONNRESET},
                {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", false, -EPROTO},
                {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnot gzip", false, -EPROTO},
                {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n" GZIP_HEAD, false, -EPROTO},
                {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\na\r\n" GZIP_HEAD "\r\n0\r\n\r\n", false,
                 -EPROTO},
                {"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nabc", false, -EPROTO},
                {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip\r\nContent-Length: 3\r\n\r\nabc", false, -EPROTO},
                {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", false, -EPROTO},
                {"SSH-2.0-OpenSSH_9.2\r\n", false, -EPROTO},
                {"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", false, -EPROTONOSUPPORT},
                {"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", false, -EPROTONOSUPPORT},
        };

        for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
                on_a_thread(fail_raw, &failures[i], 0);
}

static int fail_to_resolve(void *arg)
{
        int *skip = arg;
        plait_response response;
        PLAIT_WITHIN(10 * PLAIT_S);
        int rc = plait_http_get("http://no-such-host.invalid/", &response);

        *skip = rc == -ETIMEDOUT;
        if (!*skip)
                CHECK_EQUAL(rc, -EHOSTUNREACH);
        CHECK(strstr(response.error, "name"));
        plait_response_done(&response);
        return 0;
}

TEST(a_name_that_does_not_resolve_is_unreachable)
{
        int skip = 0;

        on_a_thread(fail_to_resolve, &skip, 0);
        if (skip)
                SKIP("the name server does not answer here");
}

/* ---- the limit */

static int fetch_to_the_limit(void *arg)
{
        static const char *const kinds[] = {"bytes", "chunked", "gzip"};
        struct site site;
        struct fetch fetch;
        char path[64];

        (void)arg;
        plait__http_body_max = 100000;
        site_open(&site);
        for (int i = 0; i < 3; i++) {
                snprintf(path, sizeof path, "%s/100000", kinds[i]);
                expect_status(site.url, path, 200, 100000);
                snprintf(path, sizeof path, "%s/100001", kinds[i]);
                set_url(&fetch, site.url, path);
                expect_failure(fetch.url, -EFBIG, "100000 bytes");
        }
        set_url(&fetch, site.url, "gzip/1000000000");   /* a bomb: a thousandth of that on the wire */
        expect_failure(fetch.url, -EFBIG, "100000 bytes");
        site_close(&site);
        plait__http_body_max = (size_t)1 << 30;
        return 0;
}

TEST(a_body_over_the_limit_is_refused_by_its_decoded_bytes)
{
        on_a_thread(fetch_to_the_limit, NULL, 0);
}

/* ---- memory */

static int fetch_raw(void *url)
{
        plait_response response;
        int rc = plait_http_get(url, &response);

        CHECK(rc == 0 || rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE);
        CHECK(rc == 0 ? response.length == 5 : response.error[0] != 0);
        plait_response_done(&response);
        return rc;
}

TEST(memory_that_is_not_there_fails_the_request_alone, .seconds = 60)
{
        static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n";
        static const enum fault_kind kinds[] = {FAULT_alloc, FAULT_epoll_create1, FAULT_eventfd2, FAULT_epoll_ctl, FAULT_ppoll};
        struct raw_site site = {.again = true};

        raw_site_open(&site, answer, sizeof answer - 1);
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
                FAULT_EACH(kinds[i], 0)
                        plait_ignore(plait_call(plait_own_thread(), fetch_raw, site.url, 0));
        raw_site_close(&site);
}

/* ---- after fork */

/* Goes on in a child; this process ends as that does. */
static void become_a_forked_child(void)
{
        pid_t child;
        int status;

        plait_ignore(plait_yield());            /* a child of a process that has not used plait may use it */
        child = fork();
        if (child == 0)
                return;
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
                abort();
        _exit(0);
}

TEST_ABORTS(getting_in_a_forked_child, "plait_http_get: used after fork")
{
        plait_response response;

        become_a_forked_child();
        plait_ignore(plait_http_get("http://127.0.0.1/", &response));
}

TEST_ABORTS(ending_a_response_in_a_forked_child, "plait_response_done: used after fork")
{
        plait_response response = {0};

        become_a_forked_child();
        plait_response_done(&response);
}
