/* Reader-writer locks: many that read, or one that writes. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "tasks.h"

static plait_rwlock rwlock;

/* ---- who may be inside with whom */

static _Atomic int readers, writers;
static _Atomic int most_readers;

static void read_once(void)
{
        int inside;

        plait_rwlock_acquire_read(&rwlock);
        inside = ++readers;
        CHECK_EQUAL(writers, 0);
        if (inside > most_readers)
                most_readers = inside;
        plait_ignore(plait_yield());
        readers--;
        plait_rwlock_release(&rwlock);
}

static void write_once(long *count)
{
        plait_rwlock_acquire_write(&rwlock);
        CHECK_EQUAL(++writers, 1);
        CHECK_EQUAL(readers, 0);
        ++*count;
        plait_ignore(plait_yield());
        writers--;
        plait_rwlock_release(&rwlock);
}

static long written;

static int read_and_write(void *arg)
{
        for (int i = 0; i < *(int *)arg; i++) {
                if (i % 4 == 0)
                        write_once(&written);
                else
                        read_once();
        }
        return 0;
}

TEST_ON_EXECUTORS(a_writer_is_alone)
{
        int rounds = 200;
        PLAIT_GROUP(group, .executor = test_executor());

        written = 0;
        most_readers = 0;
        for (int i = 0; i < 8; i++)
                plait_group_start(&group, read_and_write, &rounds, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK(!test_on_coroutines() || most_readers > 1);
        CHECK_EQUAL(written, 8 * 200 / 4);
        CHECK(plait_rwlock_try_write(&rwlock));
        plait_rwlock_release(&rwlock);
}

/* ---- the order: each waiter writes down its letter once it is in; who is in together stays until it is told */

static _Atomic char order[16];
static _Atomic int order_length;
static plait_event leave;

struct waiter { char letter; int rc; };

static int wait_in_line(void *arg)
{
        struct waiter *waiter = arg;
        bool writes = waiter->letter >= 'A' && waiter->letter <= 'Z';

        waiter->rc = writes ? plait_rwlock_acquire_write_or_cancel(&rwlock) : plait_rwlock_acquire_read_or_cancel(&rwlock);
        if (waiter->rc < 0)
                return 0;
        order[order_length++] = waiter->letter;
        if (!writes)
                plait_ignore(plait_event_wait(&leave));
        plait_rwlock_release(&rwlock);
        return 0;
}

static struct waiter waiters[16];

static void line_up(plait_group *group, plait_task **tasks, const char *letters)
{
        for (int i = 0; i < 16; i++)
                order[i] = 0;
        order_length = 0;
        plait_event_clear(&leave);
        for (int i = 0; letters[i]; i++) {
                waiters[i] = (struct waiter){letters[i], 1};
                tasks[i] = plait_group_start(group, wait_in_line, &waiters[i], sizeof waiters[i]);
                test_until_parked(group);
        }
}

static void check_order(const char *expected, size_t unordered)
{
        char seen[16];

        for (int i = 0; i < 16; i++)
                seen[i] = order[i];
        CHECK_EQUAL(strlen(seen), strlen(expected));
        for (size_t i = 0; i < unordered; i++)  /* these went in together, in whatever order they then ran */
                CHECK(memchr(expected, seen[i], unordered) != NULL);
        CHECK(!strcmp(seen + unordered, expected + unordered));
}

TEST_ON_EXECUTORS(readers_at_the_head_go_in_together_and_no_further_than_a_writer)
{
        plait_task *tasks[8];
        PLAIT_GROUP(group, .executor = test_executor());

        plait_rwlock_acquire_write(&rwlock);
        line_up(&group, tasks, "abcDeF");
        plait_rwlock_release(&rwlock);
        test_until_parked(&group);
        check_order("abc", 3);
        CHECK(!plait_rwlock_try_read(&rwlock));         /* a newcomer would overtake D */
        plait_event_set(&leave);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        check_order("abcDeF", 3);
}

TEST_ON_EXECUTORS(a_waiting_writer_stops_later_readers)
{
        plait_task *tasks[8];
        PLAIT_GROUP(group, .executor = test_executor());

        plait_rwlock_acquire_read(&rwlock);
        CHECK(plait_rwlock_try_read(&rwlock));
        line_up(&group, tasks, "Aab");
        CHECK(!plait_rwlock_try_read(&rwlock));
        plait_rwlock_release(&rwlock);
        test_until_parked(&group);
        check_order("", 0);                     /* one still reads */
        plait_event_set(&leave);
        plait_rwlock_release(&rwlock);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(order[0], 'A');
        CHECK_EQUAL(order_length, 3);
}

/* ---- cut short */

TEST_ON_EXECUTORS(a_writer_that_is_cancelled_lets_the_readers_behind_it_in)
{
        plait_task *tasks[8];
        PLAIT_GROUP(group, .executor = test_executor());

        plait_rwlock_acquire_read(&rwlock);
        line_up(&group, tasks, "AbcD");
        plait_task_cancel(tasks[0]);
        CHECK_EQUAL(plait_task_wait(tasks[0], NULL), 0);
        CHECK_EQUAL(waiters[0].rc, -ECANCELED);
        test_until_parked(&group);
        check_order("bc", 2);
        plait_event_set(&leave);
        plait_rwlock_release(&rwlock);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        check_order("bcD", 2);
}

TEST_ON_EXECUTORS(when_the_only_waiter_was_cancelled_all_is_as_before)
{
        plait_task *tasks[1];
        PLAIT_GROUP(group, .executor = test_executor());

        plait_rwlock_acquire_read(&rwlock);
        line_up(&group, tasks, "A");
        CHECK(!plait_rwlock_try_read(&rwlock));
        plait_task_cancel(tasks[0]);
        CHECK_EQUAL(plait_task_wait(tasks[0], NULL), 0);
        CHECK(plait_rwlock_try_read(&rwlock));
        plait_rwlock_release(&rwlock);
        plait_rwlock_release(&rwlock);
        CHECK(plait_rwlock_try_write(&rwlock));
        plait_rwlock_release(&rwlock);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST_ON_EXECUTORS(each_waiter_may_be_the_one_that_is_cancelled)
{
        for (int victim = 0; victim < 5; victim++) {
                plait_task *tasks[8];
                PLAIT_GROUP(group, .executor = test_executor());

                plait_rwlock_acquire_write(&rwlock);
                line_up(&group, tasks, "aBcDe");
                plait_task_cancel(tasks[victim]);
                CHECK_EQUAL(plait_task_wait(tasks[victim], NULL), 0);
                plait_event_set(&leave);
                plait_rwlock_release(&rwlock);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                for (int i = 0; i < 5; i++)
                        CHECK_EQUAL(waiters[i].rc, i == victim ? -ECANCELED : 0);
                CHECK_EQUAL(order_length, 4);
                CHECK(plait_rwlock_try_write(&rwlock));
                plait_rwlock_release(&rwlock);
        }
}

TEST_ON_EXECUTORS(one_handed_over_at_the_same_time_as_a_cancel_is_not_lost)
{
        for (int round = 0; round < 200; round++) {
                plait_task *tasks[8];
                PLAIT_GROUP(group, .executor = test_executor());

                plait_rwlock_acquire_write(&rwlock);
                line_up(&group, tasks, round % 2 ? "a" : "A");
                plait_event_set(&leave);
                plait_rwlock_release(&rwlock);
                plait_task_cancel(tasks[0]);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                CHECK(plait_rwlock_try_write(&rwlock));
                plait_rwlock_release(&rwlock);
        }
}

static int acquire_though_cancelled(void *arg)
{
        plait_rwlock_acquire_write(&rwlock);
        *(int *)arg = plait_cancelled();
        plait_rwlock_release(&rwlock);
        plait_rwlock_acquire_read(&rwlock);
        plait_rwlock_release(&rwlock);
        return 0;
}

TEST_ON_EXECUTORS(a_plain_acquire_is_not_cancelled)
{
        int state = 0;

        plait_rwlock_acquire_read(&rwlock);
        {
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, acquire_though_cancelled, &state, sizeof state);

                test_until_parked(&group);
                plait_task_cancel(task);
                test_until_parked(&group);
                CHECK_EQUAL(plait_task_result(task), -EINPROGRESS);
                plait_rwlock_release(&rwlock);
                CHECK_EQUAL(plait_group_wait(&group), 0);
        }
        CHECK_EQUAL(state, -ECANCELED);
}

TEST(an_ended_scope_fails_an_acquire_of_a_free_one)
{
        {
                PLAIT_WITHIN(0);
                CHECK_EQUAL(plait_rwlock_acquire_read_or_cancel(&rwlock), -ETIMEDOUT);
                CHECK_EQUAL(plait_rwlock_acquire_write_or_cancel(&rwlock), -ETIMEDOUT);
        }
        CHECK_EQUAL(plait_rwlock_acquire_read_or_cancel(NULL), -EINVAL);
        CHECK_EQUAL(plait_rwlock_acquire_write_or_cancel(NULL), -EINVAL);
        CHECK(plait_rwlock_try_write(&rwlock));
        CHECK(!plait_rwlock_try_read(&rwlock) && !plait_rwlock_try_write(&rwlock));
        plait_rwlock_release(&rwlock);
        CHECK(plait_rwlock_try_read(&rwlock) && plait_rwlock_try_read(&rwlock) && !plait_rwlock_try_write(&rwlock));
        plait_rwlock_release(&rwlock);
        plait_rwlock_release(&rwlock);
}

/* ---- mixed strands: coroutines of two threads, and two plain threads; a part of the waits is cut short */

enum { ROUNDS = 1200 };

static int mixed(void *arg)
{
        unsigned rounds = *(unsigned *)arg;

        for (unsigned i = 0; i < rounds; i++) {
                if (i % 5 == 0) {
                        write_once(&written);
                } else if (i % 5 == 1) {
                        PLAIT_WITHIN(i % 7 * PLAIT_US);
                        int rc = i % 2 ? plait_rwlock_acquire_write_or_cancel(&rwlock) : plait_rwlock_acquire_read_or_cancel(&rwlock);

                        if (rc == 0)
                                plait_rwlock_release(&rwlock);
                        else
                                CHECK_EQUAL(rc, -ETIMEDOUT);
                } else {
                        read_once();
                }
        }
        return 0;
}

static void *two_coroutines(void *arg)
{
        PLAIT_GROUP(group, .name = "pair");

        plait_group_start(&group, mixed, arg, 0);
        plait_group_start(&group, mixed, arg, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        return NULL;
}

static void *plain(void *arg)
{
        mixed(arg);
        return NULL;
}

TEST(mixed_strands_share_one, .seconds = 40)
{
        static void *(*const kinds[])(void *) = {two_coroutines, two_coroutines, plain, plain};
        unsigned rounds = ROUNDS / test_slower();
        pthread_t threads[4];

        written = 0;
        for (int i = 0; i < 4; i++)
                CHECK_EQUAL(pthread_create(&threads[i], NULL, kinds[i], &rounds), 0);
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        CHECK_EQUAL(written, 6L * ((rounds + 4) / 5));
        CHECK(plait_rwlock_try_write(&rwlock));
        plait_rwlock_release(&rwlock);
}

/* ---- misuse */

TEST_ABORTS(releasing_one_that_is_not_held, "plait_rwlock_release: nobody holds the lock")
{
        plait_rwlock_release(&rwlock);
}

static int release_it(void *arg)
{
        (void)arg;
        plait_rwlock_release(&rwlock);
        return 0;
}

TEST_ABORTS(releasing_what_another_writes_under, "plait_rwlock_release: another strand holds the lock, for writing")
{
        plait_rwlock_acquire_write(&rwlock);
        plait_ignore(plait_call(NULL, release_it, NULL, 0));
}

TEST_ABORTS(writing_twice, "plait_rwlock_acquire_write: this strand holds the lock for writing already")
{
        plait_rwlock_acquire_write(&rwlock);
        plait_rwlock_acquire_write(&rwlock);
}

TEST_ABORTS(reading_what_one_writes, "plait_rwlock_acquire_read_or_cancel: this strand holds the lock for writing already")
{
        plait_rwlock_acquire_write(&rwlock);
        plait_ignore(plait_rwlock_acquire_read_or_cancel(&rwlock));
}
