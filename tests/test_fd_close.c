/* Closing descriptors that are waited on, and numbers that come to mean something else. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "descriptors.h"

TEST_ON_EXECUTORS(close_wakes_those_who_wait)
{
        for (int kind = 0; kind < 3; kind++) {
                struct io ios[3] = {{0}};
                int fds[2];

                make_pair(kind, fds);
                {
                        PLAIT_GROUP(group, .executor = test_executor());

                        for (int i = 0; i < 3; i++) {
                                ios[i].fd = fds[0];
                                plait_group_start(&group, read_io, &ios[i], sizeof ios[i]);
                        }
                        test_until_parked(&group);
                        CHECK_EQUAL(plait_close(fds[0]), 0);
                        CHECK_EQUAL(plait_group_wait(&group), 0);
                }
                for (int i = 0; i < 3; i++)
                        CHECK_EQUAL(ios[i].rc, -EBADF);
                CHECK_EQUAL(plait_close(fds[1]), 0);
                CHECK_EQUAL(plait_close(fds[1]), -EBADF);
        }
}

TEST_ON_EXECUTORS(close_tells_poll)
{
        struct io io = {0};
        int fds[2];

        make_pair(2, fds);
        io.fd = fds[0];
        {
                PLAIT_GROUP(group, .executor = test_executor());

                plait_group_start(&group, poll_it, &io, sizeof io);
                test_until_parked(&group);
                CHECK_EQUAL(plait_close(fds[0]), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(io.rc, 1);
        CHECK_EQUAL(io.size, POLLNVAL);
        CHECK_EQUAL(plait_close(fds[1]), 0);
}

static void *close_and_reuse(void *arg)
{
        int *fds = arg;

        CHECK_EQUAL(plait_close(fds[0]), 0);
        CHECK_EQUAL(dup2(fds[1], fds[0]), fds[0]);      /* the number is another file at once */
        return NULL;
}

/* The loop does not look before somebody waits on the new file of that number. */
TEST(who_waits_on_a_number_is_told_when_it_becomes_another_file)
{
        struct io old = {0}, new = {0};
        int fds[2], others[2], numbers[2];
        pthread_t thread;

        make_pair(2, fds);
        make_pair(2, others);
        old.fd = new.fd = numbers[0] = fds[0];
        numbers[1] = others[0];
        {
                PLAIT_GROUP(group, .name = "numbers");

                plait_group_start(&group, read_io, &old, sizeof old);
                test_until_parked(&group);
                CHECK_EQUAL(pthread_create(&thread, NULL, close_and_reuse, numbers), 0);
                pthread_join(thread, NULL);
                {
                        PLAIT_WITHIN(PLAIT_MS);
                        CHECK_EQUAL(plait_read(new.fd, new.buffer, 1), -ETIMEDOUT);
                }
                test_until_parked(&group);
                CHECK_EQUAL(old.rc, -EBADF);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(plait_write(others[1], "x", 1), 1);
        CHECK_EQUAL(plait_read(numbers[0], new.buffer, 1), 1);
        CHECK_EQUAL(plait_close(numbers[0]), 0);
        CHECK_EQUAL(plait_close(fds[1]), 0);
        close_pair(others);
}

/* A file that lives on under another number must not go on waking this one's successor. */
TEST(a_duplicated_descriptor_does_not_disturb_the_next_of_its_number)
{
        for (int round = 0; round < 20; round++) {
                int fds[2], copy;
                char bytes[4];

                make_pair(2, fds);
                copy = dup(fds[0]);
                {
                        PLAIT_WITHIN(PLAIT_US);
                        CHECK_EQUAL(plait_read(fds[0], bytes, 1), -ETIMEDOUT);
                }
                CHECK_EQUAL(plait_close(fds[0]), 0);
                CHECK_EQUAL(plait_write(fds[1], "ab", 2), 2);
                CHECK_EQUAL(plait_read(copy, bytes, 4), 2);
                CHECK_EQUAL(plait_close(copy), 0);
                CHECK_EQUAL(plait_close(fds[1]), 0);
        }
}

TEST_ON_EXECUTORS(readers_of_two_copies_share_the_stream)
{
        struct io ios[2] = {{.size = 1}, {.size = 1}};
        int fds[2], copy;

        make_pair(2, fds);
        copy = dup(fds[0]);
        ios[0].fd = fds[0];
        ios[1].fd = copy;
        {
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 2; i++)
                        plait_group_start(&group, read_io, &ios[i], sizeof ios[i]);
                test_until_parked(&group);
                CHECK_EQUAL(plait_write(fds[1], "ab", 2), 2);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK(ios[0].rc == 1 && ios[1].rc == 1 && ios[0].buffer[0] + ios[1].buffer[0] == 'a' + 'b');
        CHECK_EQUAL(plait_close(copy), 0);
        close_pair(fds);
}
