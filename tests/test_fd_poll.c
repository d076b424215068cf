/* plait_poll(): several descriptors at once. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "descriptors.h"

TEST(poll_tells_all_that_are_ready)
{
        enum { PAIRS = 20 };
        struct pollfd fds[PAIRS * 2 + 3] = {{0}};
        int pairs[PAIRS][2], closed;

        for (int i = 0; i < PAIRS; i++) {
                make_pair(i % 3, pairs[i]);
                fds[i] = (struct pollfd){.fd = pairs[i][0], .events = POLLIN};
        }
        fds[PAIRS] = (struct pollfd){.fd = -5, .events = POLLIN, .revents = 7};
        {
                PLAIT_WITHIN(PLAIT_MS);
                CHECK_EQUAL(plait_poll(fds, PAIRS + 1), -ETIMEDOUT);
        }
        CHECK_EQUAL(plait_write(pairs[3][1], "x", 1), 1);
        CHECK_EQUAL(plait_close(pairs[7][1]), 0);
        CHECK_EQUAL(plait_poll(fds, PAIRS + 1), 2);
        for (int i = 0; i <= PAIRS; i++)
                CHECK(i == 3 || i == 7 ? fds[i].revents != 0 : fds[i].revents == 0);
        CHECK(fds[3].revents & POLLIN && fds[7].revents & POLLHUP);
        closed = dup(0);
        close(closed);
        fds[PAIRS].fd = closed;
        CHECK_EQUAL(plait_poll(fds + PAIRS, 1), 1);
        CHECK_EQUAL(fds[PAIRS].revents, POLLNVAL);
        pairs[7][1] = dup(0);
        for (int i = 0; i < PAIRS; i++)
                close_pair(pairs[i]);
}

TEST(poll_of_nothing_waits_for_its_scope)
{
        struct rlimit limit;
        struct pollfd *many;

        {
                PLAIT_WITHIN(PLAIT_MS);
                CHECK_EQUAL(plait_poll(NULL, 0), -ETIMEDOUT);
        }
        getrlimit(RLIMIT_NOFILE, &limit);
        if (limit.rlim_cur > 1 << 20)
                return;
        many = calloc(limit.rlim_cur + 1, sizeof *many);
        CHECK(many);
        CHECK_EQUAL(plait_poll(many, limit.rlim_cur + 1), -EINVAL);
        free(many);
}

TEST_ON_EXECUTORS(poll_parks)
{
        struct io io = {0};
        int fds[2];

        for (int kind = 0; kind < 3; kind++) {
                make_pair(kind, fds);
                io.fd = fds[0];
                {
                        PLAIT_GROUP(group, .executor = test_executor());

                        plait_group_start(&group, poll_it, &io, sizeof io);
                        test_until_parked(&group);
                        CHECK_EQUAL(plait_write(fds[1], "x", 1), 1);
                        CHECK_EQUAL(plait_group_wait(&group), 0);
                }
                CHECK_EQUAL(io.rc, 1);
                CHECK_EQUAL(io.size, POLLIN);
                close_pair(fds);
        }
}
