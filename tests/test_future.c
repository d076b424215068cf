/* Futures: a result that is set once, and may be waited for before. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tasks.h"

/* ---- set, cancelled, asked */

TEST(it_is_settled_once)
{
        plait_future future = {{0}};
        int result = 1, value;
        void *seen = NULL;

        CHECK(!plait_future_is_set(&future));
        CHECK_EQUAL(plait_future_result(&future, &result, &seen), -EINPROGRESS);
        CHECK(result == 1 && !seen);            /* written on success only */
        CHECK_EQUAL(plait_future_set(&future, -EIO, &value), 0);
        CHECK_EQUAL(plait_future_set(&future, 0, NULL), -EALREADY);
        CHECK(!plait_future_cancel(&future));
        CHECK(plait_future_is_set(&future));
        for (int i = 0; i < 2; i++) {
                result = 1;
                seen = NULL;
                CHECK_EQUAL(i ? plait_future_wait(&future, &result, &seen) : plait_future_result(&future, &result, &seen), 0);
                CHECK(result == -EIO && seen == &value);
        }
        CHECK_EQUAL(plait_future_wait(&future, NULL, NULL), 0);
}

TEST(a_cancelled_one_stays_cancelled)
{
        plait_future future = {{0}};
        int result = 1;
        void *value = &result;

        CHECK(plait_future_cancel(&future));
        CHECK(plait_future_cancel(&future));
        CHECK_EQUAL(plait_future_set(&future, 0, &result), -EALREADY);
        CHECK(plait_future_is_set(&future));
        CHECK_EQUAL(plait_future_wait(&future, &result, &value), 0);
        CHECK(result == -ECANCELED && !value);
}

TEST(a_null_pointer_is_refused)
{
        CHECK_EQUAL(plait_future_set(NULL, 0, NULL), -EINVAL);
        CHECK_EQUAL(plait_future_wait(NULL, NULL, NULL), -EINVAL);
        CHECK_EQUAL(plait_future_result(NULL, NULL, NULL), -EINVAL);
}

/* ---- waiting */

struct waiter { plait_future *future; int rc, result; void *value; };

static int wait_for_it(void *arg)
{
        struct waiter *waiter = arg;

        waiter->result = 99;
        waiter->rc = plait_future_wait(waiter->future, &waiter->result, &waiter->value);
        return 0;
}

TEST_ON_EXECUTORS(all_who_wait_get_the_result)
{
        for (int cancel = 0; cancel < 2; cancel++) {
                plait_future future = {{0}};
                struct waiter waiters[6];
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 6; i++) {
                        waiters[i].future = &future;
                        plait_group_start(&group, wait_for_it, &waiters[i], 0);
                }
                test_until_parked(&group);
                if (cancel)
                        CHECK(plait_future_cancel(&future));
                else
                        CHECK_EQUAL(plait_future_set(&future, 5, &group), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                for (int i = 0; i < 6; i++) {
                        CHECK_EQUAL(waiters[i].rc, 0);
                        CHECK_EQUAL(waiters[i].result, cancel ? -ECANCELED : 5);
                        CHECK(waiters[i].value == (cancel ? NULL : &group));
                }
        }
}

TEST_ON_EXECUTORS(a_wait_that_is_cut_short_leaves_the_future_as_it_was)
{
        for (int victim = 0; victim < 3; victim++) {
                plait_future future = {{0}};
                struct waiter waiters[3];
                plait_task *tasks[3];
                PLAIT_GROUP(group, .executor = test_executor());

                for (int i = 0; i < 3; i++) {
                        waiters[i].future = &future;
                        tasks[i] = plait_group_start(&group, wait_for_it, &waiters[i], 0);
                        test_until_parked(&group);
                }
                plait_task_cancel(tasks[victim]);
                CHECK_EQUAL(plait_task_wait(tasks[victim], NULL), 0);
                CHECK(waiters[victim].rc == -ECANCELED && waiters[victim].result == 99);
                CHECK(!plait_future_is_set(&future));
                CHECK_EQUAL(plait_future_set(&future, 0, NULL), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                for (int i = 0; i < 3; i++)
                        CHECK_EQUAL(waiters[i].rc, i == victim ? -ECANCELED : 0);
        }
}

TEST_ON_EXECUTORS(a_result_at_the_same_time_as_a_cancel_of_the_wait)
{
        for (int round = 0; round < 200; round++) {
                plait_future future = {{0}};
                struct waiter waiter = {.future = &future};
                PLAIT_GROUP(group, .executor = test_executor());
                plait_task *task = plait_group_start(&group, wait_for_it, &waiter, 0);

                test_until_parked(&group);
                if (round % 2)
                        plait_task_cancel(task);
                CHECK_EQUAL(plait_future_set(&future, 7, NULL), 0);
                plait_task_cancel(task);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                CHECK(round % 2 ? waiter.rc == -ECANCELED || waiter.rc == 0 : waiter.rc == 0);
                CHECK_EQUAL(waiter.result, waiter.rc == 0 ? 7 : 99);
        }
}

TEST(an_ended_scope_fails_the_wait_for_a_set_one)
{
        plait_future future = {{0}};

        CHECK_EQUAL(plait_future_set(&future, 0, NULL), 0);
        PLAIT_WITHIN(0);
        CHECK_EQUAL(plait_future_wait(&future, NULL, NULL), -ETIMEDOUT);
        CHECK_EQUAL(plait_future_result(&future, NULL, NULL), 0);
}

/* ---- callbacks */

static char calls[32];
static pthread_t called_on;

static void note_call(plait_future *future, void *arg)
{
        size_t length = strlen(calls);

        CHECK(plait_future_is_set(future));
        called_on = pthread_self();
        calls[length] = *(char *)arg;
}

static plait_future_callback callback_of(const char *letter)
{
        return (plait_future_callback){.fn = note_call, .arg = (void *)(uintptr_t)letter};
}

TEST(callbacks_are_called_in_order_and_late_ones_at_once)
{
        plait_future future = {{0}};
        plait_future_callback callbacks[4];

        memset(calls, 0, sizeof calls);
        for (int i = 0; i < 4; i++)
                callbacks[i] = callback_of(&"abcd"[i]);
        for (int i = 0; i < 3; i++)
                plait_future_add_callback(&future, &callbacks[i]);
        CHECK(plait_future_remove_callback(&future, &callbacks[1]));
        CHECK(!plait_future_remove_callback(&future, &callbacks[1]));
        CHECK(!plait_future_remove_callback(&future, &callbacks[3]));
        CHECK(!strcmp(calls, ""));
        CHECK_EQUAL(plait_future_set(&future, 0, NULL), 0);
        CHECK(!strcmp(calls, "ac"));
        CHECK(!plait_future_remove_callback(&future, &callbacks[0]));
        plait_future_add_callback(&future, &callbacks[3]);
        CHECK(!strcmp(calls, "acd"));
        plait_future_add_callback(&future, &callbacks[0]);      /* called before: it may be added again */
        CHECK(!strcmp(calls, "acda"));
        CHECK_EQUAL(plait_future_set(&future, 0, NULL), -EALREADY);
        CHECK(!strcmp(calls, "acda"));
}

static int cancel_it(void *arg)
{
        CHECK(plait_future_cancel(arg));
        CHECK(pthread_equal(called_on, pthread_self()));
        return 0;
}

TEST_ON_EXECUTORS(callbacks_are_called_on_the_strand_that_settles)
{
        plait_future future = {{0}};
        plait_future_callback callback = callback_of("x");

        memset(calls, 0, sizeof calls);
        plait_future_add_callback(&future, &callback);
        CHECK_EQUAL(plait_call(test_executor(), cancel_it, &future, 0), 0);
        CHECK(!strcmp(calls, "x"));
}

/* From inside a callback: another is removed, one is added, the future is asked. */
static plait_future_callback inner, doomed;

static void meddle(plait_future *future, void *arg)
{
        int result = 0;

        note_call(future, arg);
        CHECK(plait_future_result(future, &result, NULL) == 0 && result == 3);
        CHECK(plait_future_wait(future, NULL, NULL) == 0);
        CHECK(plait_future_remove_callback(future, &doomed));
        plait_future_add_callback(future, &inner);
        CHECK_EQUAL(plait_future_set(future, 0, NULL), -EALREADY);
}

TEST(a_callback_may_use_the_future)
{
        plait_future future = {{0}};
        plait_future_callback first = {.fn = meddle, .arg = (char[]){"m"}}, last = callback_of("z");

        memset(calls, 0, sizeof calls);
        inner = callback_of("i");
        doomed = callback_of("!");
        plait_future_add_callback(&future, &first);
        plait_future_add_callback(&future, &doomed);
        plait_future_add_callback(&future, &last);
        CHECK_EQUAL(plait_future_set(&future, 3, NULL), 0);
        CHECK(!strcmp(calls, "miz"));
}

struct request { plait_future future; plait_future_callback callback; };

static void free_request(plait_future *future, void *arg)
{
        (void)future;
        free(arg);
}

TEST(the_last_callback_may_free_the_future_and_itself)
{
        struct request *request = calloc(1, sizeof *request);
        plait_future_callback before = callback_of("b");

        memset(calls, 0, sizeof calls);
        request->callback = (plait_future_callback){.fn = free_request, .arg = request};
        plait_future_add_callback(&request->future, &before);
        plait_future_add_callback(&request->future, &request->callback);
        CHECK_EQUAL(plait_future_set(&request->future, 0, NULL), 0);
        CHECK(!strcmp(calls, "b"));
}

/* ---- mixed strands: each future is set by whoever comes first, and by nobody twice; callbacks come once each */

enum { FUTURES = 600 };
static plait_future futures[FUTURES];
static plait_future_callback callbacks[6][FUTURES];
static _Atomic int numbers, settled, called, removed;

static void count_call(plait_future *future, void *arg)
{
        (void)future;
        (void)arg;
        called++;
}

static int set_and_wait(void *arg)
{
        int me = numbers++ % 6, result, kept = 0;

        for (int i = 0; i < FUTURES; i++) {
                plait_future_callback *callback = &callbacks[me][i];
                void *value;

                *callback = (plait_future_callback){.fn = count_call};
                plait_future_add_callback(&futures[i], callback);
                if (i % 6 == me || i % 5 == me)
                        settled += plait_future_set(&futures[i], i, &futures[i]) == 0;
                if (i % 4 == 0 && plait_future_remove_callback(&futures[i], callback))
                        removed++;
                CHECK_EQUAL(plait_future_wait(&futures[i], &result, &value), 0);
                CHECK(result == i && value == &futures[i]);
                kept++;
        }
        CHECK_EQUAL(kept, FUTURES);
        return arg ? 0 : 0;
}

static void *two_coroutines(void *arg)
{
        PLAIT_GROUP(group, .name = "pair");

        plait_group_start(&group, set_and_wait, arg, 0);
        plait_group_start(&group, set_and_wait, arg, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        return NULL;
}

static void *plain(void *arg)
{
        set_and_wait(arg);
        return NULL;
}

TEST(mixed_strands_share_them)
{
        static void *(*const kinds[])(void *) = {two_coroutines, two_coroutines, plain, plain};
        pthread_t threads[4];

        memset(futures, 0, sizeof futures);
        numbers = settled = called = removed = 0;
        for (int i = 0; i < 4; i++)
                CHECK_EQUAL(pthread_create(&threads[i], NULL, kinds[i], NULL), 0);
        for (int i = 0; i < 4; i++)
                pthread_join(threads[i], NULL);
        CHECK_EQUAL(settled, FUTURES);
        CHECK_EQUAL(called + removed, 6 * FUTURES);
}

/* A future on the waiter's stack, gone as soon as it knows, while the one that set it is still in the call. */
static _Atomic(plait_future *) asked;

static void *answer(void *arg)
{
        for (int i = 0; i < *(int *)arg; i++) {
                plait_future *future;

                while (!(future = atomic_exchange(&asked, NULL)))
                        plait_ignore(plait_yield());
                CHECK_EQUAL(plait_future_set(future, i, NULL), 0);
        }
        return NULL;
}

static void ask(int expected)
{
        plait_future *future = calloc(1, sizeof *future);
        int result = -1;

        asked = future;
        if (expected % 2)
                while (!plait_future_is_set(future))
                        ;
        CHECK_EQUAL(plait_future_wait(future, &result, NULL), 0);
        CHECK_EQUAL(result, expected);
        memset(future, 0xFF, sizeof *future);   /* a call that still uses it finds the guard held, for ever */
        free(future);
}

TEST(its_memory_may_go_when_the_wait_has_returned)
{
        int rounds = 20000 / (int)test_slower();
        pthread_t thread;

        CHECK_EQUAL(pthread_create(&thread, NULL, answer, &rounds), 0);
        for (int i = 0; i < rounds; i++)
                ask(i);
        pthread_join(thread, NULL);
}

/* ---- misuse */

TEST_ABORTS(adding_a_callback_twice, "plait_future_add_callback: the callback is added already")
{
        plait_future future = {{0}};
        plait_future_callback callback = callback_of("x");

        plait_future_add_callback(&future, &callback);
        plait_future_add_callback(&future, &callback);
}
