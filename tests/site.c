#define _GNU_SOURCE
#include "site.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "leaks.h"
#include "test.h"

int listen_here(char ret_url[64])
{
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof address;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        CHECK(fd >= 0);
        CHECK(bind(fd, (struct sockaddr *)&address, size) == 0);
        CHECK(listen(fd, 1024) == 0);
        CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
        snprintf(ret_url, 64, "http://127.0.0.1:%d/", ntohs(address.sin_port));
        return fd;
}

static unsigned count_threads(void)
{
        struct holdings holdings;

        holdings_take(&holdings);
        return holdings.threads;
}

void on_a_thread(plait_fn *fn, void *arg, unsigned left)
{
        unsigned before = count_threads();

        CHECK_EQUAL(plait_call(plait_own_thread(), fn, arg, 0), 0);
        while (count_threads() > before + left)
                sched_yield();
}

/* ---- as coroutines */

static int accept_all(void *arg)
{
        struct site *site = arg;
        struct connection_start start = {.server = &site->server};
        int rc;

        while ((rc = start.fd = plait_accept(site->listener, NULL, NULL)) >= 0) {
                site->connections++;
                if (plait_group_post(&site->group, serve_connection, &start, sizeof start) < 0)
                        CHECK_EQUAL(plait_close(start.fd), 0);
        }
        return rc == -ECANCELED ? 0 : rc;
}

void site_open(struct site *site)
{
        memset(site, 0, sizeof *site);
        site->server.size = 1000;
        site->listener = listen_here(site->url);
        site->group = (plait_group){.keep_going = true, .name = "site"};
        plait_group_open(&site->group);
        plait_group_start(&site->group, accept_all, site, sizeof *site);
}

void site_close(struct site *site)
{
        plait_group_cancel(&site->group);
        CHECK_EQUAL(plait_group_wait(&site->group), 0);
        plait_group_done(&site->group);
        CHECK_EQUAL(plait_close(site->listener), 0);
}

/* ---- as a thread */

/* False: the client has hung up. */
static bool read_request(int fd)
{
        char text[4096];
        size_t have = 0;
        ssize_t n;

        do {
                n = read(fd, text + have, sizeof text - 1 - have);
                if (n <= 0)
                        return false;
                have += (size_t)n;
                text[have] = 0;
                if (text[0] == 22)
                        return true;            /* TLS: that is no request at all */
        } while (!strstr(text, "\r\n\r\n"));
        return true;
}

static void answer_one(const struct raw_site *site, int fd)
{
        struct linger at_once = {.l_onoff = 1};
        size_t done = 0;
        ssize_t n;

        do {
                if (!read_request(fd))
                        break;
                for (done = 0; done < site->length; done += (size_t)n) {
                        n = send(fd, site->answer + done, site->length - done, MSG_NOSIGNAL);
                        if (n <= 0)
                                break;
                }
        } while (site->again);
        if (site->reset)
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        close(fd);
}

static void *raw_serve(void *arg)
{
        const struct raw_site *site = arg;
        int fd;

        while ((fd = accept4(site->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
                answer_one(site, fd);
        return NULL;
}

void raw_site_open(struct raw_site *site, const char *answer, size_t length)
{
        site->answer = answer;
        site->length = length;
        site->listener = listen_here(site->url);
        CHECK(pthread_create(&site->thread, NULL, raw_serve, site) == 0);
}

void raw_site_close(struct raw_site *site)
{
        shutdown(site->listener, SHUT_RDWR);    /* its accept() fails */
        pthread_join(site->thread, NULL);
        close(site->listener);
}
