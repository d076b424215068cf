/* Coroutine stacks: their guard, their reuse, their sizes. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "core/stack.h"
#include "core/strand.h"
#include "tasks.h"

/* ---- sizes */

TEST(a_stack_class_holds_what_it_says)
{
        CHECK_EQUAL(plait__stack_class(0), 0);
        CHECK_EQUAL(plait__stack_class(48 * 1024), 0);
        CHECK_EQUAL(plait__stack_class(48 * 1024 + 1), 1);
        CHECK_EQUAL(plait__stack_class(112 * 1024), 1);
        CHECK(plait__stack_class((size_t)1 << 30) > 0);
        CHECK_EQUAL(plait__stack_class(SIZE_MAX), -1);
}

static int use_stack(void *arg)
{
        volatile char frame[16384];
        size_t *bytes = arg;

        for (size_t used = 0; used < *bytes; used += sizeof frame) {
                size_t rest = *bytes - used - sizeof frame;

                memset((void *)frame, 1, sizeof frame);
                if (*bytes > used + 2 * sizeof frame)
                        return use_stack(&rest) + frame[100] - 1;
        }
        return 0;
}

TEST(a_task_has_the_stack_that_its_options_ask_for)
{
        size_t bytes[] = {16 * 1024, 200 * 1024, 900 * 1024, 5000 * 1024};
        PLAIT_GROUP(group, .name = "deep");

        for (int i = 0; i < 4; i++) {
                plait_task_options options = {.stack_bytes = bytes[i] * 5 / 4 + 24 * 1024};

                CHECK(plait_group_start_with(&group, &options, use_stack, &bytes[i], sizeof bytes[i]));
        }
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

TEST(a_stack_of_one_gib_is_the_largest)
{
        plait_task_options options = {.stack_bytes = (size_t)1 << 30};
        PLAIT_GROUP(group, .keep_going = true);

        if (sizeof(void *) < 8 || test_slower() > 1)
                SKIP("the addresses are narrow here");
        CHECK(plait_group_start_with(&group, &options, task_return, NULL, 0));
        options.stack_bytes++;
        CHECK(!plait_group_start_with(&group, &options, task_never, NULL, 0));
        CHECK_EQUAL(plait_group_wait(&group), -EINVAL);
}

TEST_ON_EXECUTORS(a_very_small_stack_is_large_enough)
{
        plait_task_options options = {.stack_bytes = 1};
        PLAIT_GROUP(group, .executor = test_executor());

        plait_group_start_with(&group, &options, task_return, NULL, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

/* ---- reuse */

static int tell_stack(void *arg)
{
        bool guard;

        *(struct plait__stack **)arg = plait__stack_find(__builtin_frame_address(0), &guard);
        CHECK(*(struct plait__stack **)arg && !guard);
        return 0;
}

TEST(the_next_task_has_the_stack_of_the_last)
{
        struct plait__stack *first, *next;

        CHECK_EQUAL(plait_call(plait_coroutines(), tell_stack, &first, sizeof first), 0);
        for (int i = 0; i < 100; i++) {
                CHECK_EQUAL(plait_call(plait_coroutines(), tell_stack, &next, sizeof next), 0);
                CHECK(next == first);
        }
}

static int park_on_stack(void *arg)
{
        struct plait__stack *stack;
        bool guard;

        tell_stack(arg);
        stack = *(struct plait__stack **)arg;
        plait_ignore(plait_sleep(PLAIT_FOREVER));
        return plait__stack_find(__builtin_frame_address(0), &guard) != stack;
}

TEST(parked_tasks_have_a_stack_each)
{
        enum { COUNT = 1000 };
        static struct plait__stack *stacks[COUNT];
        PLAIT_GROUP(group, .name = "parked");

        for (int i = 0; i < COUNT; i++)
                plait_group_start(&group, park_on_stack, &stacks[i], sizeof stacks[i]);
        test_until_parked(&group);
        for (int i = 0; i < COUNT; i++)
                for (int k = 0; k < i; k++)
                        CHECK(stacks[i] != stacks[k]);
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

static void *run_tasks(void *arg)
{
        PLAIT_GROUP(group, .name = "thread");

        for (int i = 0; i < 100; i++)
                plait_group_start(&group, task_wait, NULL, 0);
        test_until_parked(&group);
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        return arg;
}

TEST(the_stacks_of_a_thread_that_ended_serve_the_next)
{
        struct plait__stack *before = NULL, *after = NULL;
        pthread_t thread;

        for (int i = 0; i < 200; i++) {
                CHECK_EQUAL(pthread_create(&thread, NULL, run_tasks, NULL), 0);
                pthread_join(thread, NULL);
                if (i == 1)
                        CHECK_EQUAL(plait_call(plait_coroutines(), tell_stack, &before, sizeof before), 0);
        }
        CHECK_EQUAL(plait_call(plait_coroutines(), tell_stack, &after, sizeof after), 0);
        CHECK(after - before < 1000 && before - after < 1000);
}

TEST(a_stack_is_found_by_any_address_in_it)
{
        struct plait__stack *stack;
        bool guard;
        void *bottom;
        char *top;

        CHECK_EQUAL(plait_call(plait_coroutines(), tell_stack, &stack, sizeof stack), 0);
        top = plait__stack_top(stack, &bottom);
        CHECK(plait__stack_find(top - 1, &guard) == stack && !guard);
        CHECK(plait__stack_find(bottom, &guard) == stack && !guard);
        CHECK(plait__stack_find((char *)bottom - 1, &guard) == stack && guard);
        CHECK(plait__stack_find((char *)bottom - PLAIT__STACK_GUARD, &guard) == stack && guard);
        CHECK(plait__stack_find(&guard, &guard) == NULL);
        CHECK(plait__stack_find(NULL, &guard) == NULL);
}

/* ---- guards; in processes of their own, because they die, and because the kind of guard is found out once */

/* How the child ended; what it wrote on stderr is in `words`. */
static int in_child(void (*body)(void), char *words, size_t size)
{
        int file = memfd_create("words", MFD_CLOEXEC), status = 0;
        struct rlimit no_core = {0, 0};
        ssize_t length;
        pid_t child = fork();

        if (child == 0) {
                test_forked();
                setrlimit(RLIMIT_CORE, &no_core);
                dup2(file, 2);
                body();
                _exit(0);
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        length = pread(file, words, size - 1, 0);
        words[length < 0 ? 0 : length] = 0;
        close(file);
        return status;
}

__attribute__((noinline)) static int recurse(volatile char *outer, int depth)
{
        volatile char frame[1024];

        frame[0] = outer[0];
        return depth ? recurse(frame, depth - 1) + frame[0] : frame[0];
}

static int overflow(void *arg)
{
        char seed = 0;

        (void)arg;
        return recurse(&seed, 1000);
}

static void overflow_in_a_task(void)
{
        plait_task_options options = {.name = "digger"};
        PLAIT_GROUP(group, .name = "crew");

        plait_group_start_with(&group, &options, overflow, NULL, 0);
        plait_ignore(plait_group_wait(&group));
}

/* As a frame with an array of `size` bytes whose lowest is touched first. */
static int touch_low_end(void *arg)
{
        size_t size = *(size_t *)arg;
        volatile char *array = __builtin_alloca(size);

        array[0] = 1;
        return array[0] - 1;
}

/* On the first stack of all, below which no address was ever given out. */
static void overflow_in_one_step(void)
{
        plait_task_options options = {.name = "leaper"};
        size_t size = 100000;
        PLAIT_GROUP(group, .name = "crew");

        plait_group_start_with(&group, &options, touch_low_end, &size, sizeof size);
        plait_ignore(plait_group_wait(&group));
}

/* To the middle of the next lower guard: that of another task. */
static int touch_next_guard(void *arg)
{
        char *here = __builtin_frame_address(0);
        size_t size;
        void *bottom;

        (void)arg;
        plait__stack_top(plait__loop_here->current->stack, &bottom);
        size = (size_t)(here - (char *)bottom) + ((size_t)1 << PLAIT__STACK_SHIFT) + PLAIT__STACK_GUARD / 2;
        return touch_low_end(&size);
}

static void overflow_into_the_next_guard(void)
{
        plait_task_options options = {.name = "leaper"};
        PLAIT_GROUP(group, .name = "crew");

        plait_group_start(&group, task_wait, NULL, 0);
        plait_group_start_with(&group, &options, touch_next_guard, NULL, 0);
        plait_ignore(plait_group_wait(&group));
}

static int yield_once(void *arg)
{
        (void)arg;
        return plait_yield();
}

static int yield_and_leap(void *arg)
{
        plait_ignore(plait_yield());
        plait_ignore(plait_yield());
        return touch_next_guard(arg);
}

/* Likewise, but the task whose guard it is has ended. */
static void overflow_into_a_free_stack(void)
{
        plait_task_options options = {.name = "leaper"};
        PLAIT_GROUP(group, .name = "crew");

        plait_group_start(&group, yield_once, NULL, 0);
        plait_group_start(&group, yield_once, NULL, 0);
        plait_group_start_with(&group, &options, yield_and_leap, NULL, 0);
        plait_ignore(plait_group_wait(&group));
}

static void overflow_beside_others(void)
{
        PLAIT_GROUP(group, .name = "crew");

        for (int i = 0; i < 50; i++)
                plait_group_start(&group, task_wait, NULL, 0);
        plait_ignore(plait_yield());
        plait_group_start(&group, overflow, NULL, 0);
        plait_ignore(plait_group_wait(&group));
}

static long no_advice(void *address, size_t size, int advice)
{
        (void)address;
        (void)size;
        (void)advice;
        return -EINVAL;
}

static long (*real_mprotect)(void *address, size_t size, int protection);

static long no_guard(void *address, size_t size, int protection)
{
        return protection == PROT_NONE ? -ENOMEM : real_mprotect(address, size, protection);
}

static void overflow_without_advice(void)
{
        plait__sys.madvise = no_advice;
        overflow_in_a_task();
}

/* Deep enough to be in the place of the guard, not deep enough to reach another's stack. */
static int park_below(void *arg)
{
        volatile char *low = __builtin_frame_address(0);
        void *bottom;
        volatile char *frame;

        (void)arg;
        plait__stack_top(plait__loop_here->current->stack, &bottom);
        frame = __builtin_alloca((size_t)((char *)low - (char *)bottom));
        frame[0] = 1;
        return plait_sleep(1);
}

static void take_away_guards(void)
{
        real_mprotect = plait__sys.mprotect;
        plait__sys.madvise = no_advice;
        plait__sys.mprotect = no_guard;
}

static void overflow_without_guard(void)
{
        take_away_guards();
        {
                PLAIT_GROUP(group, .name = "unguarded");

                plait_group_start(&group, park_below, NULL, 0);
                plait_ignore(plait_group_wait(&group));
        }
}

static void run_without_guard(void)
{
        take_away_guards();
        run_tasks(NULL);
}

#if defined(TEST_SANITIZER_ADDRESS) || defined(TEST_SANITIZER_THREAD)
#define SKIP_SANITIZERS SKIP("the sanitizer has the handler of these signals")
#else
#define SKIP_SANITIZERS
#endif

TEST(an_overflow_is_reported_with_the_name_of_the_task)
{
        char words[4096];
        int status;

        SKIP_SANITIZERS;
        status = in_child(overflow_in_a_task, words, sizeof words);
        test_note("%s", words);
        CHECK(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS));
        CHECK(strstr(words, "stack overflow in task 'digger'"));
        CHECK(strstr(words, "stack_bytes"));
}

TEST(an_overflow_of_a_task_without_a_name_tells_its_group)
{
        char words[4096];
        int status;

        SKIP_SANITIZERS;
        status = in_child(overflow_beside_others, words, sizeof words);
        test_note("%s", words);
        CHECK(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS));
        CHECK(strstr(words, "stack overflow in task 'crew'"));
}

static void check_leap(void (*body)(void))
{
        char words[4096];
        int status;

        status = in_child(body, words, sizeof words);
        test_note("%#x %s", (unsigned)status, words);
        CHECK(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS));
        CHECK(strstr(words, "stack overflow in task 'leaper': "));
        CHECK(strstr(words, " bytes below the end of the 48 KiB that it has"));
}

TEST(a_frame_larger_than_the_guard_is_reported)
{
        SKIP_SANITIZERS;
        check_leap(overflow_in_one_step);
}

TEST(a_frame_that_reaches_anothers_guard_is_its_own_tasks_overflow)
{
        SKIP_SANITIZERS;
        check_leap(overflow_into_the_next_guard);
}

TEST(a_frame_that_reaches_the_guard_of_a_free_stack_is_its_own_tasks_overflow)
{
        SKIP_SANITIZERS;
        check_leap(overflow_into_a_free_stack);
}

TEST(mprotect_guards_where_the_advice_is_not_known)
{
        char words[4096];
        int status;

        SKIP_SANITIZERS;
        status = in_child(overflow_without_advice, words, sizeof words);
        test_note("%s", words);
        CHECK(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS));
        CHECK(strstr(words, "stack overflow in task 'digger'"));
}

TEST(an_overflow_without_a_guard_is_seen_at_the_next_park)
{
        char words[4096];
        int status;

        SKIP_SANITIZERS;
        status = in_child(overflow_without_guard, words, sizeof words);
        test_note("%s", words);
        test_note("%#x %s", (unsigned)status, words);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        CHECK(strstr(words, "stack overflow in task 'unguarded'"));
}

TEST(tasks_run_where_no_guard_can_be_had)
{
        char words[4096];

        CHECK_EQUAL(in_child(run_without_guard, words, sizeof words), 0);
}

static void segfault_elsewhere(void)
{
        int *volatile nowhere = NULL;

        plait_ignore(plait_call(plait_coroutines(), task_return, NULL, 0));
        *(volatile int *)nowhere = 1;
}

static struct plait__stack *someones;

static int touch_someones_guard(void *arg)
{
        void *bottom;

        (void)arg;
        plait__stack_top(someones, &bottom);
        *((volatile char *)bottom - 1) = 1;
        return 0;
}

static void segfault_in_anothers_guard(void)
{
        struct plait__stack *stacks[2];
        PLAIT_GROUP(group, .name = "crew");

        plait_group_start(&group, park_on_stack, &stacks[0], sizeof stacks[0]);
        plait_group_start(&group, park_on_stack, &stacks[1], sizeof stacks[1]);
        plait_ignore(plait_yield());
        someones = stacks[1];
        plait_group_start(&group, touch_someones_guard, NULL, 0);
        plait_ignore(plait_group_wait(&group));
}

static void segfault_in_a_guard_from_main(void)
{
        CHECK_EQUAL(plait_call(plait_coroutines(), tell_stack, &someones, sizeof someones), 0);
        touch_someones_guard(NULL);
}

TEST(a_stray_pointer_into_a_guard_is_not_called_an_overflow)
{
        void (*bodies[])(void) = {segfault_in_anothers_guard, segfault_in_a_guard_from_main};
        char words[4096];
        int status;

        SKIP_SANITIZERS;
        for (int i = 0; i < 2; i++) {
                status = in_child(bodies[i], words, sizeof words);
                test_note("%#x %s", (unsigned)status, words);
                CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
                CHECK(!strstr(words, "plait"));
        }
}

TEST(a_segmentation_fault_elsewhere_is_not_called_an_overflow)
{
        char words[4096];
        int status;

        SKIP_SANITIZERS;
        status = in_child(segfault_elsewhere, words, sizeof words);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
        CHECK(!strstr(words, "plait"));
}
