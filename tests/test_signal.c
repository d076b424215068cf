/* Signals that are waited for, and those that cancel a group. */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tasks.h"

static const int both[] = {SIGUSR1, SIGUSR2};

TEST(a_signal_is_kept_from_the_catch_on)
{
        plait_signal_catch(both, 2);
        raise(SIGUSR2);
        CHECK_EQUAL(plait_signal_wait(both, 2), SIGUSR2);
}

TEST(each_arrival_is_returned_once)
{
        plait_signal_catch(both, 2);
        raise(SIGUSR2);
        raise(SIGUSR1);
        raise(SIGUSR1);
        CHECK_EQUAL(plait_signal_wait(both, 2), SIGUSR1);
        CHECK_EQUAL(plait_signal_wait(both, 2), SIGUSR1);
        CHECK_EQUAL(plait_signal_wait(both, 2), SIGUSR2);
        {
                PLAIT_WITHIN(0);

                CHECK_EQUAL(plait_signal_wait(both, 2), -ETIMEDOUT);
        }
}

static int wait_for_usr1(void *arg)
{
        *(int *)arg = plait_signal_wait(both, 1);
        return *(int *)arg < 0 ? *(int *)arg : 0;
}

TEST_ON_EXECUTORS(a_waiting_strand_is_woken)
{
        int got = 0;
        PLAIT_GROUP(group, .executor = test_executor());

        plait_signal_catch(both, 2);
        plait_group_start(&group, wait_for_usr1, &got, sizeof got);
        test_until_parked(&group);
        kill(getpid(), SIGUSR1);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(got, SIGUSR1);
}

/* Several strands of several threads wait: each arrival wakes one of them. */
TEST(two_arrivals_are_for_two_waiters)
{
        int got[3] = {0};
        plait_task *tasks[3], *ended;
        PLAIT_GROUP(group, .executor = plait_own_thread());

        plait_signal_catch(both, 2);
        for (int i = 0; i < 3; i++)
                tasks[i] = plait_group_start(&group, wait_for_usr1, &got[i], sizeof got[i]);
        for (int i = 0; i < 3; i++)
                test_until_task_parked(tasks[i]);
        raise(SIGUSR1);
        CHECK_EQUAL(plait_group_next(&group, &ended), 0);
        raise(SIGUSR1);
        CHECK_EQUAL(plait_group_next(&group, &ended), 0);
        CHECK_EQUAL((got[0] == SIGUSR1) + (got[1] == SIGUSR1) + (got[2] == SIGUSR1), 2);
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(a_wait_that_is_cancelled_takes_nothing)
{
        PLAIT_GROUP(group, .name = "waiters");
        int got = 0;
        plait_task *task;

        plait_signal_catch(both, 2);
        task = plait_group_start(&group, wait_for_usr1, &got, sizeof got);
        test_until_parked(&group);
        plait_task_cancel(task);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(got, -ECANCELED);
        raise(SIGUSR1);
        CHECK_EQUAL(plait_signal_wait(both, 2), SIGUSR1);
}

TEST(what_cannot_be_caught_is_refused)
{
        CHECK_EQUAL(plait_signal_wait(both, 0), -EINVAL);
        CHECK_EQUAL(plait_signal_wait(NULL, 1), -EINVAL);
        CHECK_EQUAL(plait_signal_wait((int[]){SIGKILL}, 1), -EINVAL);
        CHECK_EQUAL(plait_signal_wait((int[]){0}, 1), -EINVAL);
        CHECK_EQUAL(plait_signal_wait((int[]){65}, 1), -EINVAL);
}

TEST_ABORTS(catching_what_cannot_be_caught, "plait_signal_catch: 9 is not a signal that can be caught")
{
        plait_signal_catch((int[]){SIGKILL}, 1);
}

/* ---- Ctrl-C */

static bool has_default(int number)
{
        struct sigaction now;

        return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_DFL;
}

TEST_ON_EXECUTORS(the_first_interrupt_ends_the_group_quietly)
{
        PLAIT_GROUP(group, .executor = test_executor());

        CHECK_EQUAL(plait_signal_cancels(&group), 0);
        for (int i = 0; i < 3; i++)
                plait_group_start(&group, task_wait, NULL, 0);
        test_until_parked(&group);
        kill(getpid(), SIGINT);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(plait_signal_last(), SIGINT);
        CHECK(has_default(SIGINT) && has_default(SIGTERM));
}

static int clean_up_for_ever(void *arg)
{
        PLAIT_SHIELD(PLAIT_FOREVER);

        plait_event_set(arg);
        return plait_sleep(PLAIT_FOREVER);
}

/* In a process of its own, which the second one ends. */
static int interrupted_twice(void *arg)
{
        plait_event cleaning = {0};
        PLAIT_GROUP(group, .name = "stubborn");

        (void)arg;
        if (plait_signal_cancels(&group) < 0)
                return 1;
        plait_group_start(&group, clean_up_for_ever, &cleaning, sizeof cleaning);
        if (plait_event_wait(&cleaning) < 0)
                return 2;
        kill(getpid(), SIGTERM);
        if (plait_sleep(PLAIT_FOREVER) != -ECANCELED)
                return 3;
        kill(getpid(), SIGTERM);
        return plait_group_wait(&group) ? 4 : 5;
}

TEST(the_second_interrupt_ends_the_process)
{
        PLAIT_GROUP(group, .executor = plait_own_process());
        plait_failure failure;

        plait_group_start(&group, interrupted_twice, NULL, 0);
        if (plait_group_wait(&group) == -ENOTSUP)
                SKIP("this program cannot start itself again");
        CHECK_EQUAL(plait_group_failures(&group, &failure, 1), 1);
        CHECK_EQUAL(failure.result, -EOWNERDEAD);
        CHECK(WIFSIGNALED(failure.status) && WTERMSIG(failure.status) == SIGTERM);
}

TEST(one_group_at_a_time_is_cancelled_by_signals)
{
        PLAIT_GROUP(outer, .name = "outer");
        PLAIT_GROUP(inner, .name = "inner");

        CHECK_EQUAL(plait_signal_cancels(&inner), 0);
        CHECK_EQUAL(plait_signal_cancels(&inner), 0);
        CHECK_EQUAL(plait_signal_cancels(&outer), -EBUSY);
        CHECK_EQUAL(plait_group_wait(&inner), 0);
        CHECK_EQUAL(plait_signal_cancels(&outer), 0);
        CHECK_EQUAL(plait_group_wait(&outer), 0);
}

TEST_ABORTS(a_closed_group_is_not_cancelled_by_signals, "plait_signal_cancels: the group 'early' is not open")
{
        plait_group group = {.name = "early"};

        plait_ignore(plait_signal_cancels(&group));
}
