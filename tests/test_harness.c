/* The harness: what it promises, and that each of its checks can fail. */
#define _GNU_SOURCE
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "fault.h"

/* ---- failures */

TEST(a_check_that_holds_passes)
{
        CHECK(1 + 1 == 2);
        CHECK_EQUAL(1 + 1, 2);
}

TEST_FAILS(a_check_that_does_not_hold_fails, "test_harness.c:27: CHECK(1 + 1 == 3)")
{
        CHECK(1 + 1 == 3);
}

TEST_FAILS(an_unequal_value_is_shown, "1 + 1 is 2, not -ETIMEDOUT (-110)")
{
        CHECK_EQUAL(1 + 1, -ETIMEDOUT);
}

static void *fail_a_check(void *arg)
{
        (void)arg;
        CHECK(!"reached");
        return NULL;
}

TEST_FAILS(a_check_fails_in_any_thread, "reached")
{
        pthread_t thread;

        CHECK(pthread_create(&thread, NULL, fail_a_check, NULL) == 0);
        pthread_join(thread, NULL);
}

TEST_FAILS(a_crash_is_a_failure, "Received signal 9")
{
        raise(SIGKILL);
}

TEST_FAILS(an_early_exit_is_a_failure, "Early exit with return value 3")
{
        _exit(3);
}

TEST_FAILS(a_test_that_hangs_is_ended, "timed out", .seconds = 1)
{
        for (;;)
                pause();
}

TEST_FAILS(a_note_is_shown_with_a_crash, "[seed 7]")
{
        test_note("seed %d", 7);
        raise(SIGKILL);
}

TEST_SKIPS(a_skipped_test_says_why, "this one always is")
{
        SKIP("this one always is");
        CHECK(!"reached");
}

/* ---- leaks */

TEST_FAILS(a_leaked_descriptor_is_found, "/dev/null")
{
        CHECK(open("/dev/null", O_RDONLY) >= 0);
}

static void *stay(void *arg)
{
        while (!arg)
                pause();
        return NULL;
}

TEST_FAILS(a_leaked_thread_is_found, "1 more threads")
{
        pthread_t thread;

        CHECK(pthread_create(&thread, NULL, stay, NULL) == 0);
        pthread_detach(thread);
}

TEST_FAILS(a_leaked_child_is_found, "1 more child processes")
{
        if (fork() == 0)
                stay(NULL);
}

TEST_FAILS(an_ended_child_that_nobody_waited_for_is_found, "1 more child processes")
{
        if (fork() == 0)
                _exit(0);
}

static void *volatile kept[8];                  /* so that the leak checker of ASan sees no leak */
static size_t kept_count;

TEST_FAILS(a_leaked_block_is_found, "1 more blocks of memory")
{
        kept[kept_count++] = plait__sys.alloc(1);
}

/* A library may keep what it made the first time, and a second one that only a busier run needed. */
TEST(a_cache_is_no_leak)
{
        if (kept_count < 3)
                kept[kept_count++] = plait__sys.alloc(1);
}

static void *end_soon(void *arg)
{
        static const struct timespec moment = {0, 20000000};

        nanosleep(&moment, NULL);
        return arg;
}

/* Its thread ends after the body, by itself. */
TEST(a_thread_that_is_ending_is_no_leak)
{
        CHECK_EQUAL(plait__sys.thread_start(end_soon, NULL, 0), 0);
}

/* ---- aborts */

static void die(const char *words)
{
        if (write(2, words, 20) < 0)
                _exit(1);
        abort();
}

TEST_ABORTS(an_abort_with_its_sentence_passes, "plait_lock_release")
{
        die("plait_lock_release: ");
}

TEST_FAILS(an_abort_with_other_words_fails, "last words without \"plait_lock_release\"",
           .aborts = "plait_lock_release")
{
        die("plait_group_wait:   ");
}

TEST_FAILS(no_abort_where_one_must_be_fails, "did not abort", .aborts = "plait_lock_release")
{
}

TEST_FAILS(a_check_fails_on_the_way_to_an_abort, "CHECK(0)", .aborts = "plait_lock_release")
{
        CHECK(0);
}

/* ---- faults */

TEST(the_nth_call_fails_once)
{
        void *memory[3];

        fault_fail_nth(FAULT_alloc, 2, 0);
        for (int i = 0; i < 3; i++)
                memory[i] = plait__sys.alloc(1);
        CHECK_EQUAL(fault_count(), 3);
        CHECK_EQUAL(fault_off(), 1);
        CHECK(memory[0] && !memory[1] && memory[2]);
        for (int i = 0; i < 3; i++)
                plait__sys.free(memory[i]);
}

TEST(the_nth_call_and_all_after_it_fail)
{
        void *memory[3];

        fault_fail_from(FAULT_alloc, 2, 0);
        for (int i = 0; i < 3; i++)
                memory[i] = plait__sys.alloc(1);
        CHECK_EQUAL(fault_off(), 2);
        CHECK(memory[0] && !memory[1] && !memory[2]);
        plait__sys.free(memory[0]);
}

TEST(a_system_call_fails_with_the_given_error)
{
        fault_fail_nth(FAULT_eventfd2, 1, ENFILE);
        CHECK_EQUAL(plait__sys.eventfd2(0, 0), -ENFILE);
        fault_off();
}

TEST(other_kinds_go_on_working)
{
        long fd;

        fault_fail_from(FAULT_mmap, 1, 0);
        fd = plait__sys.eventfd2(0, 0);
        CHECK(fd >= 0);
        CHECK_EQUAL(fault_off(), 0);
        CHECK_EQUAL(plait__sys.close((int)fd), 0);
}

TEST(a_close_that_fails_has_closed)
{
        long fd = plait__sys.eventfd2(0, 0);

        CHECK(fd >= 0);
        fault_fail_nth(FAULT_close, 1, EINTR);
        CHECK_EQUAL(plait__sys.close((int)fd), -EINTR);
        fault_off();
}

/* Two descriptors and a block, or an error and nothing. */
static int make_three(bool careful)
{
        long first, second;
        void *memory;

        first = plait__sys.epoll_create1(EPOLL_CLOEXEC);
        if (first < 0)
                return (int)first;
        second = plait__sys.eventfd2(0, 0);
        if (second < 0) {
                plait__sys.close((int)first);
                return (int)second;
        }
        memory = plait__sys.alloc(1);
        if (memory || !careful)
                *(volatile char *)memory = 1;
        plait__sys.close((int)second);
        plait__sys.close((int)first);
        plait__sys.free(memory);
        return memory ? 0 : -ENOMEM;
}

TEST(a_loop_of_faults_ends_after_the_last_call)
{
        int rounds = 0, good = 0;

        FAULT_EACH(FAULT_ANY, 0) {
                rounds++;
                good += make_three(true) == 0;
        }
        CHECK_EQUAL(rounds, 6);                 /* five calls, and the round without a fault */
        CHECK_EQUAL(good, 3);                   /* a failed close changes nothing */
}

TEST(a_lasting_fault_is_tried_at_each_call)
{
        int rounds = 0;

        FAULT_EACH_FROM(FAULT_alloc, 0) {
                rounds++;
                (void)!make_three(true);
        }
        CHECK_EQUAL(rounds, 2);
}

TEST_FAILS(an_ignored_failure_of_an_allocation_is_caught, "[call 1 of kind \"alloc\" was failed: alloc with ENOMEM]")
{
        FAULT_EACH(FAULT_alloc, 0)
                make_three(false);
}

static int leak_on_failure(void)
{
        long first = plait__sys.epoll_create1(EPOLL_CLOEXEC), second = plait__sys.eventfd2(0, 0);

        if (second < 0)
                return (int)second;
        plait__sys.close((int)second);
        plait__sys.close((int)first);
        return 0;
}

TEST_FAILS(a_leak_on_a_path_of_failure_is_caught, "leaks: 1 more descriptors")
{
        FAULT_EACH(FAULT_eventfd2, 0)
                leak_on_failure();
}
