/* The server of `plait serve`, byte by byte: a client is one end of a socket pair. */
#define _GNU_SOURCE
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "site.h"

enum { ROOM = 200000 };

struct talk {
        int fd;
        const char *said;
        size_t length;                          /* of it */
        char *answer;                           /* ends in a 0 */
        size_t answer_length;
};

static int say(void *arg)
{
        struct talk *talk = arg;
        size_t done = 0;
        ssize_t n;

        while (done < talk->length) {
                n = plait_write(talk->fd, talk->said + done, talk->length - done);
                if (n < 0)
                        break;                  /* it hung up */
                done += (size_t)n;
        }
        shutdown(talk->fd, SHUT_WR);
        return 0;
}

static int listen_to(void *arg)
{
        struct talk *talk = arg;
        ssize_t n;

        while ((n = plait_read(talk->fd, talk->answer + talk->answer_length, ROOM - 1 - talk->answer_length)) > 0)
                talk->answer_length += (size_t)n;
        talk->answer[talk->answer_length] = 0;
        return 0;
}

/* All that the server answers to these bytes; the caller's to free. */
static char *ask_bytes(const char *said, size_t length)
{
        static const struct server server = {.size = 5};
        struct talk talk = {.said = said, .length = length, .answer = malloc(ROOM)};
        struct connection_start start = {.server = &server};
        int fds[2];
        PLAIT_GROUP(group, .name = "talk");

        CHECK(talk.answer);
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        talk.fd = fds[0];
        start.fd = fds[1];
        plait_group_start(&group, serve_connection, &start, sizeof start);
        plait_group_start(&group, say, &talk, sizeof talk);
        plait_group_start(&group, listen_to, &talk, sizeof talk);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(plait_close(talk.fd), 0);
        return talk.answer;
}

static char *ask(const char *said)
{
        return ask_bytes(said, strlen(said));
}

static unsigned count(const char *text, const char *part)
{
        unsigned found = 0;

        while ((text = strstr(text, part))) {
                text += strlen(part);
                found++;
        }
        return found;
}

static void expect(const char *said, const char *begins, const char *ends)
{
        char *answer = ask(said);
        size_t length = strlen(answer);

        test_note("%.200s", answer);
        CHECK(!strncmp(answer, begins, strlen(begins)));
        CHECK(length >= strlen(ends) && !strcmp(answer + length - strlen(ends), ends));
        free(answer);
}

TEST(each_path_has_its_answer)
{
        expect("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "\r\nContent-Length: 5\r\n\r\nabcde");
        expect("GET /bytes/3 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "\r\nContent-Length: 3\r\n\r\nabc");
        expect("GET /bytes/3?x=/y HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\nabc");
        expect("GET /chunked/3 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        expect("GET /cut/4 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "\r\nContent-Length: 4\r\n\r\nab");
        expect("GET /status/204 HTTP/1.1\r\n\r\n", "HTTP/1.1 204 ", "\r\n\r\n");
        expect("GET /status/503 HTTP/1.1\r\n\r\n", "HTTP/1.1 503 ", "\r\n\r\n503\n");
        expect("GET /redirect/2 HTTP/1.1\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation: /redirect/1\r\n", "\r\n\r\n");
        expect("GET /redirect/1 HTTP/1.1\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation: /\r\n", "\r\n\r\n");
        expect("GET /loop HTTP/1.1\r\n\r\n", "HTTP/1.1 302 Found\r\nLocation: /loop\r\n", "\r\n\r\n");
        expect("GET /slow/2 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "\r\n\r\nab");
        expect("GET /garbage HTTP/1.1\r\n\r\n", "This", "not HTTP.\n");
        expect("GET /nothing HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", "\r\n\r\n404\n");
        expect("GET /bytes/3x HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", "\r\n\r\n404\n");
        expect("GET /bytes/-3 HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", "\r\n\r\n404\n");
}

TEST(a_head_request_has_no_body)
{
        expect("HEAD /bytes/3 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "\r\nContent-Length: 3\r\n\r\n");
        expect("HEAD /chunked/3 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 ", "chunked\r\n\r\n");
        expect("HEAD /none HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", "\r\nContent-Length: 4\r\n\r\n");
}

TEST(what_is_no_request_is_refused)
{
        expect("nonsense\r\n\r\n", "HTTP/1.1 400 ", "400\n");
        expect("GET nonsense HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ", "400\n");
        expect("GET / HTTP/2.0\r\n\r\n", "HTTP/1.1 400 ", "400\n");
        expect("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 405 ", "405\n");
        expect("", "", "");
        expect("GET / HT", "", "");
}

TEST(requests_may_be_sent_before_they_are_answered)
{
        char *answer = ask("GET /bytes/3 HTTP/1.1\r\n\r\nGET /none HTTP/1.1\r\n\r\nGET /bytes/3 HTTP/1.1\r\n\r\n");

        CHECK_EQUAL(count(answer, "HTTP/1.1 200 "), 2);
        CHECK_EQUAL(count(answer, "HTTP/1.1 404 "), 1);
        free(answer);
}

TEST(the_connection_ends_when_the_client_says_so)
{
        static const char *const ends[] = {"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
                                           "GET / HTTP/1.1\r\nconnection:Close\r\n\r\n"};
        char said[256], *answer;

        for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
                snprintf(said, sizeof said, "%sGET / HTTP/1.1\r\n\r\n", ends[i]);
                answer = ask(said);
                CHECK_EQUAL(count(answer, "HTTP/1.1 200 "), 1);
                CHECK_EQUAL(count(answer, "Connection: close"), 1);
                free(answer);
        }
        answer = ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n");
        CHECK_EQUAL(count(answer, "HTTP/1.1 200 "), 2);
        free(answer);
}

TEST(a_head_that_is_too_long_is_refused)
{
        size_t length = 100000;
        char *said = malloc(length + 1), *answer;

        CHECK(said);
        memset(said, 'x', length);
        memcpy(said, "GET / HTTP/1.1\r\nX: ", 19);
        said[length] = 0;
        answer = ask_bytes(said, length);
        CHECK(!strncmp(answer, "HTTP/1.1 431 ", 13));
        free(answer);
        free(said);
}
