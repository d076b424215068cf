/* PLAIT_DEBUG: what is told, and that nothing else is. Each program that is watched is a child of the test, which reads what it
 * says on standard error. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tasks.h"

static char said[65536];

/* Until the child has said all of `until`, which ends it, or (NULL) until it ends by itself, well. */
static void watch(void (*program)(void), const char *const *until)
{
        size_t length = 0;
        int fds[2], status;
        pid_t child;
        ssize_t n = 1;

        CHECK(pipe(fds) == 0);
        child = fork();
        if (child == 0) {
                close(fds[0]);
                dup2(fds[1], 2);
                close(fds[1]);
                setenv("PLAIT_DEBUG", "1", 1);
                setenv("PLAIT_DEBUG_SLOW_MS", "20", 1);
                program();
                _exit(0);
        }
        close(fds[1]);
        said[0] = 0;
        while (n > 0 && (!until || *until) && length < sizeof said - 1) {
                n = read(fds[0], said + length, sizeof said - 1 - length);
                if (n > 0)
                        length += (size_t)n;
                said[length] = 0;
                while (until && *until && strstr(said, *until))
                        until++;
        }
        close(fds[0]);
        test_note("%.250s", said);
        CHECK(!until || !*until);
        if (until)
                kill(child, SIGKILL);
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(until ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#define UNTIL(...) (const char *const[]){__VA_ARGS__, NULL}

static unsigned count(const char *what)
{
        const char *at = said;
        unsigned n = 0;

        for (; (at = strstr(at, what)); at++)
                n++;
        return n;
}

static void start_named(plait_group *group, const char *name, plait_fn *fn, void *arg)
{
        plait_group_start_with(group, &(plait_task_options){.name = name}, fn, arg, 0);
}

static void compute_for(plait_time span)
{
        plait_time end = plait_now() + span;

        while (plait_now() < end)
                ;
}

/* ---- a coroutine that holds its loop */

static __attribute__((noinline)) int busy_function(void *arg)
{
        volatile int rc = arg != NULL;

        compute_for(300 * PLAIT_MS * test_slower());
        return rc;
}

static int hold(void *arg)
{
        volatile int rc = busy_function(arg);

        return rc;
}

static void hold_once(void)
{
        PLAIT_GROUP(group, .name = "sums");

        start_named(&group, "greedy", hold, NULL);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(a_coroutine_that_holds_its_loop_is_told_of_once)
{
        watch(hold_once, NULL);
        CHECK(strstr(said, "plait: the coroutine #"));
        CHECK(strstr(said, " 'greedy' of group 'sums' has kept thread "));
        CHECK(strstr(said, "        busy_function+0x"));
        CHECK(strstr(said, "        hold+0x"));
        CHECK_EQUAL(count("plait:"), 1);
}

static int hold_twice(void *arg)
{
        hold(arg);
        plait_ignore(plait_yield());
        return hold(arg);
}

static void hold_again(void)
{
        PLAIT_GROUP(group, .name = "some");

        start_named(&group, "greedy", hold_twice, NULL);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(who_lets_go_and_holds_again_is_told_of_again)
{
        watch(hold_again, NULL);
        CHECK_EQUAL(count("'greedy' of group 'some' has kept"), 2);
        CHECK_EQUAL(count("plait:"), 2);
}

static void on_threads(void)
{
        PLAIT_GROUP(group, .executor = plait_threads());

        start_named(&group, "adder", hold, NULL);
        compute_for(100 * PLAIT_MS * test_slower());
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(a_thread_and_the_main_line_may_compute)
{
        watch(on_threads, NULL);
        CHECK_EQUAL(strlen(said), 0);
}

static int yield_often(void *arg)
{
        plait_time end = plait_now() + 100 * PLAIT_MS * test_slower();

        while (plait_now() < end)
                plait_ignore(plait_yield());
        (void)arg;
        return 0;
}

static void alone(void)
{
        PLAIT_GROUP(group, .name = "some");

        plait_group_start(&group, yield_often, NULL, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(a_coroutine_that_yields_to_nobody_holds_nothing)
{
        watch(alone, NULL);
        CHECK_EQUAL(strlen(said), 0);
}

static void dump_of_computing(void)
{
        PLAIT_GROUP(group, .executor = plait_threads());

        start_named(&group, "adder", hold, NULL);
        while (!count("busy_function")) {
                char *text = NULL;
                size_t size;
                FILE *file = open_memstream(&text, &size);

                plait_dump(file);
                fclose(file);
                snprintf(said, sizeof said, "%s", text);
                free(text);
        }
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(a_thread_that_computes_is_dumped_with_its_stack)
{
        watch(dump_of_computing, NULL);
}

/* ---- failures that nobody read */

static int fail(void *arg)
{
        (void)arg;
        return -EIO;
}

static void leave_unread(void)
{
        PLAIT_GROUP(group, .name = "careless", .keep_going = true);

        start_named(&group, "reader", fail, NULL);
        plait_group_start(&group, fail, NULL, 0);
        CHECK_EQUAL(plait_yield(), 0);
}

TEST(failures_that_nobody_read_are_told)
{
        watch(leave_unread, NULL);
        CHECK(strstr(said, "plait: the group 'careless' ended with 2 failures that nobody read; the first: 'reader' returned -5 "
                           "(Input/output error)\n"));
        CHECK_EQUAL(count("plait:"), 1);
}

static void read_all(void)
{
        plait_task *task;
        plait_failure failure;

        {
                PLAIT_GROUP(group, .name = "some");

                plait_group_start(&group, fail, NULL, 0);
                CHECK_EQUAL(plait_group_wait(&group), -EIO);
        }
        {
                PLAIT_GROUP(group, .name = "some");

                plait_group_start(&group, fail, NULL, 0);
                CHECK_EQUAL(plait_group_next(&group, &task), 0);
        }
        {
                PLAIT_GROUP(group, .name = "some");

                task = plait_group_start(&group, fail, NULL, 0);
                while (plait_task_result(task) == -EINPROGRESS)
                        plait_ignore(plait_yield());
        }
        {
                PLAIT_GROUP(group, .name = "some");

                plait_group_start(&group, fail, NULL, 0);
                plait_ignore(plait_yield());
                CHECK_EQUAL(plait_group_failures(&group, &failure, 1), 1);
        }
        CHECK_EQUAL(plait_call(plait_coroutines(), fail, NULL, 0), -EIO);
}

TEST(failures_that_were_read_are_not)
{
        watch(read_all, NULL);
        CHECK_EQUAL(strlen(said), 0);
}

/* ---- deadlock */

static plait_lock locks[2];
static plait_event both;
static atomic_int have;

struct side { int first, second; };

static int cross(void *arg)
{
        struct side *side = arg;

        plait_lock_acquire(&locks[side->first]);
        if (++have == 2)
                plait_event_set(&both);
        plait_ignore(plait_event_wait(&both));
        plait_lock_acquire(&locks[side->second]);
        return 0;
}

static void two_locks(plait_executor *executor)
{
        static struct side left = {0, 1}, right = {1, 0};
        PLAIT_GROUP(group, .executor = executor, .name = "pair");

        start_named(&group, "left", cross, &left);
        start_named(&group, "right", cross, &right);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

static void two_locks_in_coroutines(void)
{
        two_locks(plait_coroutines());
}

static void two_locks_in_threads(void)
{
        two_locks(plait_threads());
}

static void two_locks_in_own_threads(void)
{
        two_locks(plait_own_thread());
}

#if defined(TEST_SANITIZER_THREAD)
#define NOT_BESIDE_ANOTHER_THREAD SKIP("the thread sanitizer's own thread could wake somebody, as far as plait knows")
#else
#define NOT_BESIDE_ANOTHER_THREAD
#endif

static void expect_cross(void (*program)(void))
{
        watch(program, UNTIL("plait: deadlock: no strand of process ", "waits for the group 'pair' (2 tasks live)",
                             "'left' of group 'pair'", "held by #", "'right' of group 'pair'", "held by #"));
        CHECK(strstr(strstr(said, "'left' of group 'pair', "), "'right' of group 'pair'; "));
        CHECK(strstr(strstr(said, "'right' of group 'pair', "), "'left' of group 'pair'; "));
}

TEST(two_locks_taken_crosswise_by_coroutines_are_named)
{
        NOT_BESIDE_ANOTHER_THREAD;
        expect_cross(two_locks_in_coroutines);
}

TEST(two_locks_taken_crosswise_by_threads_are_named)
{
        NOT_BESIDE_ANOTHER_THREAD;
        expect_cross(two_locks_in_threads);
        expect_cross(two_locks_in_own_threads);
}

static void queue_without_putter(void)
{
        plait_queue *queue;
        int item;

        CHECK(plait_queue_new(&queue, sizeof item, 1, PLAIT_FIFO) == 0);
        CHECK_EQUAL(plait_queue_get(queue, &item), 0);
}

TEST(a_queue_that_nobody_puts_into_is_named)
{
        NOT_BESIDE_ANOTHER_THREAD;
        watch(queue_without_putter, UNTIL("plait: deadlock:", "(main line), thread ", "waits for the queue 0x", "which has 0 items",
                                          "queue_without_putter+0x"));
}

static int want_owners(void *arg)
{
        (void)arg;
        plait_lock_acquire(&locks[0]);
        return 0;
}

static void wait_with_lock_held(void)
{
        PLAIT_GROUP(group, .name = "mine");

        plait_lock_acquire(&locks[0]);
        start_named(&group, "wanter", want_owners, NULL);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(a_group_whose_task_waits_for_its_owners_lock_is_named)
{
        NOT_BESIDE_ANOTHER_THREAD;
        watch(wait_with_lock_held, UNTIL("plait: deadlock:", "(main line)", "waits for the group 'mine' (1 task lives)", "'wanter'",
                                         "waits for the lock", "held by #", "(main line)"));
}

static plait_task *each_other[2];

static int wait_for(void *arg)
{
        return plait_task_wait(each_other[*(int *)arg], NULL);
}

static void tasks_wait_for_each_other(void)
{
        static int zero, one = 1;
        PLAIT_GROUP(group, .name = "some");

        each_other[0] = plait_group_start(&group, wait_for, &one, 0);
        each_other[1] = plait_group_start(&group, wait_for, &zero, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(tasks_that_wait_for_each_other_are_named)
{
        NOT_BESIDE_ANOTHER_THREAD;
        watch(tasks_wait_for_each_other, UNTIL("plait: deadlock:", "waits for the task #", "waits for the task #"));
}

/* After a first deadlock-like stretch that was none, and with a pool whose threads have nothing to do. */
static void after_a_while(void)
{
        plait_queue *queue;
        int item;

        CHECK_EQUAL(plait_call(plait_threads(), task_return, NULL, 0), 0);
        CHECK_EQUAL(plait_sleep(60 * PLAIT_MS), 0);
        CHECK(plait_queue_new(&queue, sizeof item, 1, PLAIT_FIFO) == 0);
        CHECK_EQUAL(plait_queue_get(queue, &item), 0);
}

TEST(threads_without_work_are_no_hope)
{
        NOT_BESIDE_ANOTHER_THREAD;
        watch(after_a_while, UNTIL("plait: deadlock:", "waits for the queue"));
        CHECK(!strstr(said, "waits for work"));
}

/* Told, and then ended from outside after many more looks. */
static void for_a_while(void)
{
        if (fork() == 0) {
                nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
                kill(getppid(), SIGTERM);
                _exit(0);
        }
        queue_without_putter();
}

TEST(a_deadlock_is_told_once)
{
        int fds[2], status;
        pid_t child;
        ssize_t n;
        size_t length = 0;

        NOT_BESIDE_ANOTHER_THREAD;
        CHECK(pipe(fds) == 0);
        child = fork();
        if (child == 0) {
                dup2(fds[1], 2);
                close(fds[0]);
                close(fds[1]);
                setenv("PLAIT_DEBUG", "1", 1);
                setenv("PLAIT_DEBUG_SLOW_MS", "4", 1);
                for_a_while();
                _exit(0);
        }
        close(fds[1]);
        while ((n = read(fds[0], said + length, sizeof said - 1 - length)) > 0)
                length += (size_t)n;
        said[length] = 0;
        close(fds[0]);
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        CHECK_EQUAL(count("plait: deadlock:"), 1);
}

/* ---- no false alarm: each of these is still for many looks, and then goes on */

#define STILL_FOR (200 * PLAIT_MS)

static void timer(void)
{
        PLAIT_WITHIN(STILL_FOR);
        plait_ignore(plait_event_wait(&both));
}

static int sleep_and_set(void *arg)
{
        (void)arg;
        CHECK_EQUAL(plait_sleep(STILL_FOR), 0);
        plait_event_set(&both);
        return 0;
}

static void timer_on_another_thread(void)
{
        PLAIT_GROUP(group, .executor = plait_own_thread());

        plait_group_start(&group, sleep_and_set, NULL, 0);
        CHECK_EQUAL(plait_event_wait(&both), 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

static void pause_for(plait_time span)
{
        nanosleep(&(struct timespec){.tv_nsec = span}, NULL);
}

static void watched_pipe(void)
{
        int fds[2];
        char byte;
        pid_t child;

        CHECK(pipe(fds) == 0);
        child = fork();
        if (child == 0) {
                pause_for(STILL_FOR);
                _exit(write(fds[1], "x", 1) != 1);
        }
        CHECK_EQUAL(plait_read(fds[0], &byte, 1), 1);
        CHECK(waitpid(child, NULL, 0) == child);
}

static int compute_a_while(void *arg)
{
        (void)arg;
        pause_for(STILL_FOR);
        return 0;
}

static void job_away(void)
{
        CHECK_EQUAL(plait_call(plait_processes(), compute_a_while, NULL, 0), 0);
}

static void map_away(void)
{
        int items[2] = {0};

        CHECK_EQUAL(plait_map(plait_processes(), compute_a_while, items, 2, sizeof items[0]), 0);
}

static void *foreign_main(void *arg)
{
        (void)arg;
        pause_for(STILL_FOR);
        plait_event_set(&both);
        return NULL;
}

static void foreign_thread(void)
{
        pthread_t thread;

        CHECK(pthread_create(&thread, NULL, foreign_main, NULL) == 0);
        CHECK_EQUAL(plait_event_wait(&both), 0);
        CHECK(pthread_join(thread, NULL) == 0);
}

static void thread_in_a_system_call(void)
{
        CHECK_EQUAL(plait_call(plait_threads(), compute_a_while, NULL, 0), 0);
}

static void end_by_alarm(int signal_number)
{
        (void)signal_number;
        _exit(0);
}

static void sleep_for_ever(void)
{
        PLAIT_GROUP(group, .name = "some");

        signal(SIGALRM, end_by_alarm);
        alarm(1);
        plait_group_start(&group, task_wait, NULL, 0);
        plait_ignore(plait_group_wait(&group));
}

TEST(a_timer_is_hope)
{
        watch(timer, NULL);
        CHECK_EQUAL(strlen(said), 0);
        watch(timer_on_another_thread, NULL);
        CHECK_EQUAL(strlen(said), 0);
}

TEST(a_watched_descriptor_is_hope)
{
        watch(watched_pipe, NULL);
        CHECK_EQUAL(strlen(said), 0);
}

TEST(a_job_in_another_process_is_hope)
{
        watch(job_away, NULL);
        CHECK_EQUAL(strlen(said), 0);
        watch(map_away, NULL);
        CHECK_EQUAL(strlen(said), 0);
}

TEST(a_thread_that_plait_does_not_know_is_hope)
{
        watch(foreign_thread, NULL);
        CHECK_EQUAL(strlen(said), 0);
        watch(thread_in_a_system_call, NULL);
        CHECK_EQUAL(strlen(said), 0);
}

TEST(to_sleep_for_ever_is_no_deadlock)
{
        watch(sleep_for_ever, NULL);
        CHECK_EQUAL(strlen(said), 0);
}
