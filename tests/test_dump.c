/* plait_dump(): every strand, what it waits for, and where. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/switch.h"
#include "fault.h"
#include "tasks.h"

static char *dump(void)
{
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        plait_dump(file);
        fclose(file);
        return text;
}

/* The lines of a dump, from the one that contains `who` to the next strand's; until this thread asks again. */
static const char *strand_in(const char *text, const char *who)
{
        static _Thread_local char found[8192];
        const char *at = strstr(text, who), *end;

        found[0] = 0;
        if (!at)
                return found;
        while (at > text && at[-1] != '\n')
                at--;
        end = strstr(at, "\n#");
        snprintf(found, sizeof found, "%.*s", end ? (int)(end - at) : (int)strlen(at), at);
        return found;
}

#define CHECK_CONTAINS(text, what)                                                                                     \
        do {                                                                                                           \
                test_note("%.200s", text);                                                                             \
                CHECK(strstr(text, what));                                                                             \
        } while (0)

static bool can_look(void)
{
        return strcmp(TEST_SWITCH, "ucontext") != 0;
}

static plait_event event;
static plait_lock lock;

/* ---- stacks */

static __attribute__((noinline)) int inner_function(void *arg)
{
        volatile int rc = plait_event_wait(arg);

        return rc;
}

static __attribute__((noinline)) int outer_function(void *arg)
{
        volatile int rc = inner_function(arg);

        return rc;
}

static int named_wait(void *arg)
{
        volatile int rc = outer_function(arg);

        return rc;
}

static void start_named(plait_group *group, const char *name, plait_fn *fn, void *arg)
{
        plait_group_start_with(group, &(plait_task_options){.name = name}, fn, arg, 0);
}

TEST_ON_EXECUTORS(a_parked_strand_is_shown_with_the_functions_it_is_in)
{
        bool coroutine = test_on_coroutines() || strcmp(test_executor_name(), "loops") == 0;
        const char *strand;
        char *text;
        PLAIT_GROUP(group, .executor = test_executor(), .name = "waiters");

        plait_event_clear(&event);
        start_named(&group, "the waiter", named_wait, &event);
        test_until_parked(&group);
        text = dump();
        strand = strand_in(text, "'the waiter' of group 'waiters'");
        CHECK_CONTAINS(strand, coroutine ? "coroutine on thread" : "task on thread");
        CHECK_CONTAINS(strand, ": parked, waits for an event, 0x");
        if (can_look() || !test_on_coroutines()) {
                CHECK_CONTAINS(strand, "wait+0x");        /* what that does inside is left out */
                CHECK_CONTAINS(strand, "        inner_function+0x");
                CHECK_CONTAINS(strand, "        outer_function+0x");
                CHECK(!strstr(strand, "plait__"));
        } else {
                CHECK_CONTAINS(strand, "(no stack: this build");
        }
        free(text);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(who_calls_is_shown_as_running)
{
        const char *strand;
        char *text;

        CHECK_EQUAL(plait_yield(), 0);          /* its thread has a loop from here on */
        text = dump();
        strand = strand_in(text, "(main line)");
        CHECK_CONTAINS(strand, ": running; age");
        CHECK_CONTAINS(strand, "plait_dump+0x");
        CHECK_CONTAINS(strand, "test_who_calls_is_shown_as_running+0x");
        free(text);
}

static void count_a_frame(void *arg)
{
        ++*(int *)arg;
}

static void *contexts[2];

static void come_and_go(void *value)
{
        (void)value;
        plait__switch(&contexts[1], contexts[0], NULL);
        __builtin_trap();
}

TEST(looking_at_a_context_leaves_it_as_it_is)
{
        static _Alignas(16) char stack[65536];
        int calls = 0;

        contexts[1] = plait__switch_prepare(stack, stack + sizeof stack, come_and_go);
        CHECK(plait__switch_look(contexts[1], count_a_frame, &calls) == can_look());
        CHECK_EQUAL(calls, can_look());
#if !defined(TEST_SANITIZER_ADDRESS) && !defined(TEST_SANITIZER_THREAD)
        plait__switch(&contexts[0], contexts[1], NULL);         /* not told of: none of ours */
#endif
}

/* ---- what it waits for */

static int hold(void *arg)
{
        int rc;

        plait_lock_acquire(&lock);
        rc = plait_event_wait(arg);
        plait_lock_release(&lock);
        return rc;
}

static int want(void *arg)
{
        (void)arg;
        plait_lock_acquire(&lock);
        plait_lock_release(&lock);
        return 0;
}

TEST_ON_EXECUTORS(who_waits_for_a_lock_is_shown_with_who_holds_it)
{
        char *text, expected[64];
        PLAIT_GROUP(group, .executor = test_executor(), .name = "two");

        plait_event_clear(&event);
        start_named(&group, "holder", hold, &event);
        test_until_parked(&group);
        start_named(&group, "wanter", want, NULL);
        test_until_parked(&group);
        text = dump();
        snprintf(expected, sizeof expected, "waits for the lock %p, held by #", (void *)&lock);
        CHECK_CONTAINS(strand_in(text, "'wanter'"), expected);
        CHECK_CONTAINS(strand_in(text, "'wanter'"), " 'holder' of group 'two'");
        free(text);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

static int get_one(void *arg)
{
        int item;

        return plait_queue_get(*(plait_queue **)arg, &item);
}

static int put_two(void *arg)
{
        int item = 1, rc = plait_queue_put(*(plait_queue **)arg, &item);

        return rc < 0 ? rc : plait_queue_put(*(plait_queue **)arg, &item);
}

static plait_rwlock rwlock;
static plait_condition condition;
static plait_semaphore semaphore;
static plait_barrier barrier = {.parties = 2};
static plait_once once;
static plait_future future;
static plait_event never;

static int wait_once(void *arg)
{
        (void)arg;
        return plait_event_wait(&never);
}

static int on_rwlock(void *arg)
{
        return plait_rwlock_acquire_read_or_cancel(arg);
}

static int on_condition(void *arg)
{
        int rc;

        plait_lock_acquire(&lock);
        rc = plait_condition_wait(arg, &lock);
        plait_lock_release(&lock);
        return rc;
}

static int on_semaphore(void *arg)
{
        return plait_semaphore_acquire(arg);
}

static int on_barrier(void *arg)
{
        return plait_barrier_wait(arg);
}

static int on_once(void *arg)
{
        return plait_once_run(arg, wait_once, NULL);
}

static int on_future(void *arg)
{
        return plait_future_wait(arg, NULL, NULL);
}

static int on_several(void *arg)
{
        plait_case one = PLAIT_EVENT(arg);

        return plait_select(&one, 1);
}

TEST(who_waits_for_another_object_is_shown_with_it)
{
        static const struct { const char *name, *words; plait_fn *fn; void *object; } rows[] = {
                {"r", "waits for a lock of readers and writers, 0x", on_rwlock, &rwlock},
                {"c", "waits for a condition, 0x", on_condition, &condition},
                {"s", "waits for a semaphore, 0x", on_semaphore, &semaphore},
                {"b", "waits for a barrier, 0x", on_barrier, &barrier},
                {"first", "waits for an event, 0x", on_once, &once},
                {"o", "waits for another's run of a once, 0x", on_once, &once},
                {"f", "waits for a future, 0x", on_future, &future},
                {"e", "waits for one of several; age ", on_several, &never},
        };
        char *text, quoted[16];
        plait_group group = {.keep_going = true};

        plait_rwlock_acquire_write(&rwlock);
        plait_group_open(&group);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
                start_named(&group, rows[i].name, rows[i].fn, rows[i].object);
        test_until_parked(&group);
        text = dump();
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                test_note("row %zu", i);
                snprintf(quoted, sizeof quoted, "'%s'", rows[i].name);
                CHECK_CONTAINS(strand_in(text, quoted), rows[i].words);
        }
        free(text);
        plait_group_cancel(&group);
        plait_group_done(&group);
        plait_rwlock_release(&rwlock);
        plait_barrier_reset(&barrier);          /* the cancel broke it */
}

TEST_ON_EXECUTORS(who_waits_for_a_queue_is_shown_with_what_it_has)
{
        plait_queue *empty, *full;
        char *text, expected[96];
        int item;
        PLAIT_GROUP(group, .executor = test_executor());

        CHECK(plait_queue_new(&empty, sizeof item, 1, PLAIT_FIFO) == 0);
        CHECK(plait_queue_new(&full, sizeof item, 1, PLAIT_FIFO) == 0);
        start_named(&group, "getter", get_one, &empty);
        start_named(&group, "putter", put_two, &full);
        test_until_parked(&group);
        text = dump();
        snprintf(expected, sizeof expected, "waits for the queue %p, which has 0 items", (void *)empty);
        CHECK_CONTAINS(strand_in(text, "'getter'"), expected);
        snprintf(expected, sizeof expected, "waits for the queue %p, which has 1 item", (void *)full);
        CHECK_CONTAINS(strand_in(text, "'putter'"), expected);
        free(text);
        CHECK(plait_queue_get(full, &item) == 0);
        CHECK(plait_queue_put(empty, &item) == 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        plait_queue_free(empty);
        plait_queue_free(full);
}

struct outer { plait_event *event; plait_task *inner; };

static int own_group(void *arg)
{
        struct outer *outer = arg;
        PLAIT_GROUP(group, .name = "the inner group");

        plait_group_start(&group, task_wait_event, outer->event, 0);
        plait_group_start(&group, task_wait_event, outer->event, 0);
        return plait_group_wait(&group);
}

static int wait_for_task(void *arg)
{
        struct outer *outer = arg;

        return plait_task_wait(outer->inner, NULL);
}

TEST(who_waits_for_a_group_or_a_task_is_shown_with_it)
{
        struct outer outer = {.event = &event};
        char *text;
        PLAIT_GROUP(group, .name = "some");

        plait_event_clear(&event);
        outer.inner = plait_group_start_with(&group, &(plait_task_options){.name = "owner"}, own_group, &outer, 0);
        start_named(&group, "task waiter", wait_for_task, &outer);
        test_until_parked(&group);
        text = dump();
        CHECK_CONTAINS(strand_in(text, "'owner':"), "");
        CHECK_CONTAINS(text, "waits for the group 'the inner group' (2 tasks live)");
        CHECK_CONTAINS(strand_in(text, "'task waiter'"), "waits for the task #");
        CHECK_CONTAINS(strand_in(text, "'task waiter'"), "'owner'");
        free(text);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(the_time_left_and_what_is_new_are_shown)
{
        char *text;

        test_clock_manual();
        PLAIT_GROUP(group, .name = "late", .within = 100 * PLAIT_S);
        start_named(&group, "sleeper", task_wait_and_succeed, NULL);
        test_until_parked(&group);
        start_named(&group, "not begun", task_return, NULL);
        test_clock_advance(3 * PLAIT_S);
        text = dump();
        CHECK_CONTAINS(strand_in(text, "'sleeper'"), "waits for a moment; age 3.000 s, left 97.000 s");
        CHECK_CONTAINS(strand_in(text, "'not begun'"), ": new; age 3.000 s");
        free(text);
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(a_name_that_fills_its_room_is_shown)
{
        char *text;
        PLAIT_GROUP(group, .name = "0123456789012345678901234567890123456789012345678901234567890123456789");

        start_named(&group, "abcdefghijklmnopqrstuvwxyz0123456789", task_return, NULL);
        text = dump();
        CHECK_CONTAINS(text, "'abcdefghijklmnopqrstuvwxyz01234' of group '01234567890123456789012345678901234567890123456'");
        free(text);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

/* ---- other threads */

static atomic_bool computing, enough;

static int compute(void *arg)
{
        (void)arg;
        computing = true;
        while (!enough)
                ;
        return 0;
}

TEST(a_thread_that_computes_is_not_waited_for_long)
{
        char *text;
        PLAIT_GROUP(group, .executor = plait_threads(), .name = "sums");

        computing = enough = false;
        start_named(&group, "adder", compute, NULL);
        while (!computing)
                ;
        text = dump();
        CHECK_CONTAINS(text, "a thread that computes did not come");
        CHECK_CONTAINS(strand_in(text, "'adder' of group 'sums'"), "task on thread");
        CHECK_CONTAINS(strand_in(text, "'adder' of group 'sums'"), ": running; age");
        CHECK_CONTAINS(strand_in(text, "'adder' of group 'sums'"), "(no stack: its thread computes");
        free(text);
        enough = true;
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

static int dump_and_look(void *arg)
{
        int often = 0;
        char *text;

        while (often < 3) {                     /* on a busy machine the other thread may come late */
                text = dump();
                CHECK_CONTAINS(strand_in(text, "'the waiter'"), ": parked, waits for ");
                often += strstr(strand_in(text, "'the waiter'"), "waits for an event, 0x") != NULL;
                free(text);
        }
        (void)arg;
        return 0;
}

TEST(several_threads_dump_at_once)
{
        PLAIT_GROUP(waiters, .executor = plait_coroutines());
        PLAIT_GROUP(group, .executor = plait_own_thread());

        plait_event_clear(&event);
        start_named(&waiters, "the waiter", task_wait_event, &event);
        for (int i = 0; i < 4; i++)
                plait_group_start(&group, dump_and_look, NULL, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_wait(&waiters), 0);
}

static void *dump_from_outside(void *arg)
{
        *(char **)arg = dump();
        return NULL;
}

TEST(a_thread_without_a_loop_dumps)
{
        pthread_t thread;
        char *text;
        PLAIT_GROUP(group, .name = "some");

        plait_event_clear(&event);
        start_named(&group, "the waiter", task_wait_event, &event);
        test_until_parked(&group);
        pthread_create(&thread, NULL, dump_from_outside, &text);
        pthread_join(thread, (void **)NULL);
        CHECK_CONTAINS(text, "a thread that computes did not come");            /* this one: it waits in pthread_join() */
        CHECK_CONTAINS(strand_in(text, "'the waiter'"), ": parked");
        free(text);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

/* Coroutines and threads come and go while the table is read. */
static int start_and_wait(void *arg)
{
        for (int i = 0; i < 200 && !enough; i++) {
                PLAIT_GROUP(group, .name = "short");

                for (int k = 0; k < 4; k++)
                        plait_group_start_with(&group, &(plait_task_options){.name = "brief"}, task_return, NULL, 0);
                if (plait_group_wait(&group) < 0)
                        return -ECANCELED;
        }
        (void)arg;
        return 0;
}

TEST(a_dump_beside_tasks_that_come_and_go)
{
        char *text;
        PLAIT_GROUP(group, .executor = plait_own_thread(), .name = "busy");

        enough = false;
        for (int i = 0; i < 4; i++)
                plait_group_start(&group, start_and_wait, NULL, 0);
        for (int i = 0; i < 10; i++) {
                text = dump();
                CHECK_CONTAINS(text, "plait: process ");
                free(text);
        }
        enough = true;
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

/* ---- by a signal */

static int captured = -1, real_stderr = -1;

static void capture(void)
{
        captured = memfd_create("stderr", MFD_CLOEXEC);
        real_stderr = dup(2);
        dup2(captured, 2);
}

static void capture_end(void)
{
        dup2(real_stderr, 2);
        close(real_stderr);
        close(captured);
}

static bool has_said(const char *what)
{
        static char text[65536];
        ssize_t length = pread(captured, text, sizeof text - 1, 0);

        text[length < 0 ? 0 : length] = 0;
        return strstr(text, what) != NULL;
}

TEST(a_signal_dumps_while_the_main_line_computes)
{
        PLAIT_GROUP(group, .name = "some");

        plait_event_clear(&event);
        start_named(&group, "the waiter", task_wait_event, &event);
        test_until_parked(&group);
        capture();
        CHECK_EQUAL(plait_dump_on_signal(SIGQUIT), 0);
        kill(getpid(), SIGQUIT);
        while (!has_said("'the waiter'"))
                ;
        capture_end();
        signal(SIGQUIT, SIG_DFL);
        plait_event_set(&event);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

static int quit_and_wait(void *arg)
{
        kill(getpid(), SIGQUIT);
        return plait_event_wait(arg);
}

static void *read_dump(void *arg)
{
        while (!has_said("'waits too'") || !has_said("'waits'"))
                ;
        plait_event_set(arg);                   /* a thread that plait does not know ends it */
        return NULL;
}

TEST(a_signal_dumps_while_every_loop_is_stuck)
{
        pthread_t thread;

#if defined(TEST_SANITIZER_THREAD)
        SKIP("the thread sanitizer holds signals back from a thread that sleeps in a system call of ours");
#endif
        PLAIT_GROUP(group, .executor = plait_own_thread());

        plait_event_clear(&event);
        capture();
        CHECK_EQUAL(plait_dump_on_signal(SIGQUIT), 0);
        CHECK(pthread_create(&thread, NULL, read_dump, &event) == 0);
        start_named(&group, "waits", task_wait_event, &event);
        start_named(&group, "waits too", quit_and_wait, &event);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK(pthread_join(thread, NULL) == 0);
        capture_end();
        signal(SIGQUIT, SIG_DFL);
}

TEST(a_dump_on_a_signal_needs_a_thread, .once = true)                /* the second time it is there */
{
        fault_fail_nth(FAULT_thread_start, 1, EAGAIN);
        CHECK_EQUAL(plait_dump_on_signal(SIGQUIT), -EAGAIN);
        fault_off();
        CHECK_EQUAL(plait_dump_on_signal(SIGQUIT), 0);
        signal(SIGQUIT, SIG_DFL);
}

TEST(a_dump_without_memory_says_what_it_can)
{
        FAULT_EACH_FROM(FAULT_ANY, 0) {
                FILE *file = fopen("/dev/null", "w");

                CHECK(file);
                plait_dump(file);
                fclose(file);
        }
}

TEST(a_signal_that_cannot_be_handled_is_refused)
{
        CHECK_EQUAL(plait_dump_on_signal(0), -EINVAL);
        CHECK_EQUAL(plait_dump_on_signal(SIGKILL), -EINVAL);
        CHECK_EQUAL(plait_dump_on_signal(SIGSTOP), -EINVAL);
        CHECK_EQUAL(plait_dump_on_signal(100000), -EINVAL);
}

TEST(in_a_child_of_fork_the_signal_does_what_it_does)
{
        int status;
        pid_t child;

#if defined(TEST_SANITIZER_THREAD)
        SKIP("the thread sanitizer holds signals back in a child of fork()");
#endif
        CHECK_EQUAL(plait_yield(), 0);
        CHECK_EQUAL(plait_dump_on_signal(SIGTERM), 0);
        child = fork();
        if (child == 0) {
                raise(SIGTERM);
                for (;;)
                        pause();
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        signal(SIGTERM, SIG_DFL);
}

TEST_ABORTS(a_dump_in_a_child_of_fork, "plait_dump: used after fork")
{
        CHECK_EQUAL(plait_yield(), 0);
        if (fork() == 0)
                plait_dump(stderr);
        else
                wait(NULL);
        abort();
}
