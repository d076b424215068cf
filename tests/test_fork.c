/* In a child of fork() no call may be made: each aborts, and says which it was. tests/structure/forks.py sees to it that every
 * public call is in the table here. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/loop.h"
#include "tasks.h"

static plait_group group, other_group;
static plait_scope scope, other_scope;
static plait_lock lock;
static plait_rlock rlock;
static plait_rwlock rwlock;
static plait_condition condition;
static plait_semaphore semaphore = {.value = 1};
static plait_barrier barrier = {.parties = 2};
static plait_once once;
static plait_future future;
static plait_future_callback callback;
static plait_local local;
static plait_event event;
static plait_case one;
static plait_gil gil;
static plait_queue *queue;
static plait_task *task;
static plait_executor *executor;
static plait_executor_options executor_options = {.kind = PLAIT_THREADS};
static plait_map_options map_options;
static plait_failure failure;
static int item, signal_number = SIGUSR1;

static int pull_none(void *arg, void *to)
{
        (void)arg;
        (void)to;
        return 0;
}

static bool never(void *arg)
{
        (void)arg;
        return false;
}

static plait_map_source source = {.pull = pull_none};

/* ---- the calls */

#define CALL(call, ...)                                                                                                \
        static void call##_forked(void)                                                                                \
        {                                                                                                              \
                __VA_ARGS__;                                                                                           \
        }
#define RESULT(call, ...) CALL(call, plait_ignore((int)call(__VA_ARGS__)))
#define NOTHING(call, ...) CALL(call, plait_ignore((int)call()))
#define CALLS                                                                                                          \
        BOTH(NOTHING, plait_now, 0)                                                                                    \
        BOTH(RESULT, plait_sleep, 1)                                                                                   \
        BOTH(RESULT, plait_sleep_until, 1)                                                                             \
        BOTH(NOTHING, plait_yield, 0)                                                                                  \
        BOTH(NOTHING, plait_cancelled, 0)                                                                              \
        BOTH(CALL, plait_coroutines, plait_coroutines())                                                               \
        BOTH(CALL, plait_threads, plait_threads())                                                                     \
        BOTH(CALL, plait_processes, plait_processes())                                                                 \
        BOTH(CALL, plait_own_thread, plait_own_thread())                                                               \
        BOTH(CALL, plait_own_process, plait_own_process())                                                             \
        BOTH(RESULT, plait_executor_open, &executor, &executor_options)                                                \
        BOTH(RESULT, plait_executor_close, executor)                                                                   \
        BOTH(CALL, plait_group_open, plait_group_open(&other_group))                                                   \
        BOTH(CALL, plait_group_done, plait_group_done(&group))                                                         \
        BOTH(CALL, plait_group_start, plait_group_start(&group, task_return, NULL, 0))                                 \
        BOTH(CALL, plait_group_start_with, plait_group_start_with(&group, NULL, task_return, NULL, 0))                 \
        BOTH(RESULT, plait_group_post, &group, task_return, NULL, 0)                                                   \
        BOTH(RESULT, plait_group_room, &group)                                                                         \
        BOTH(RESULT, plait_group_wait, &group)                                                                         \
        BOTH(RESULT, plait_group_next, &group, &task)                                                                  \
        BOTH(RESULT, plait_group_next_failed, &group, &task)                                                           \
        BOTH(CALL, plait_group_cancel, plait_group_cancel(&group))                                                     \
        BOTH(CALL, plait_background, plait_background())                                                               \
        BOTH(RESULT, plait_group_failures, &group, &failure, 1)                                                        \
        BOTH(RESULT, plait_task_result, task)                                                                          \
        BOTH(CALL, plait_task_arg, plait_task_arg(task))                                                               \
        BOTH(CALL, plait_task_name, plait_task_name(task))                                                             \
        BOTH(RESULT, plait_task_pid, task)                                                                             \
        BOTH(RESULT, plait_task_status, task)                                                                          \
        BOTH(CALL, plait_task_cancel, plait_task_cancel(task))                                                         \
        BOTH(RESULT, plait_task_kill, task)                                                                            \
        BOTH(RESULT, plait_task_wait, task, NULL)                                                                      \
        BOTH(CALL, plait_task_common, plait_task_common())                                                             \
        BOTH(RESULT, plait_call, NULL, task_return, NULL, 0)                                                           \
        BOTH(RESULT, plait_call_or_leave, NULL, task_return, NULL, 0)                                                  \
        BOTH(RESULT, plait_map, NULL, task_return, &item, 1, sizeof item)                                              \
        BOTH(RESULT, plait_map_with, &map_options, task_return, &item, 1, sizeof item)                                 \
        BOTH(RESULT, plait_map_stream, NULL, task_return, sizeof item, &source)                                        \
        BOTH(CALL, plait_signal_catch, plait_signal_catch(&signal_number, 1))                                          \
        BOTH(RESULT, plait_signal_wait, &signal_number, 1)                                                             \
        BOTH(RESULT, plait_signal_cancels, &group)                                                                     \
        BOTH(NOTHING, plait_signal_last, 0)                                                                            \
        BOTH(CALL, plait_scope_enter, plait_scope_enter(&other_scope, PLAIT_S))                                        \
        BOTH(CALL, plait_scope_enter_shield, plait_scope_enter_shield(&other_scope, PLAIT_S))                          \
        BOTH(RESULT, plait_scope_leave, &scope)                                                                        \
        BOTH(CALL, plait_scope_cancel, plait_scope_cancel(&scope))                                                     \
        BOTH(CALL, plait_lock_acquire, plait_lock_acquire(&lock))                                                      \
        BOTH(RESULT, plait_lock_try, &lock)                                                                            \
        BOTH(RESULT, plait_lock_acquire_or_cancel, &lock)                                                              \
        BOTH(CALL, plait_lock_release, plait_lock_release(&lock))                                                      \
        BOTH(CALL, plait_rlock_acquire, plait_rlock_acquire(&rlock))                                                   \
        BOTH(RESULT, plait_rlock_try, &rlock)                                                                          \
        BOTH(RESULT, plait_rlock_acquire_or_cancel, &rlock)                                                            \
        BOTH(CALL, plait_rlock_release, plait_rlock_release(&rlock))                                                   \
        BOTH(CALL, plait_rwlock_acquire_read, plait_rwlock_acquire_read(&rwlock))                                      \
        BOTH(CALL, plait_rwlock_acquire_write, plait_rwlock_acquire_write(&rwlock))                                    \
        BOTH(RESULT, plait_rwlock_try_read, &rwlock)                                                                   \
        BOTH(RESULT, plait_rwlock_try_write, &rwlock)                                                                  \
        BOTH(RESULT, plait_rwlock_acquire_read_or_cancel, &rwlock)                                                     \
        BOTH(RESULT, plait_rwlock_acquire_write_or_cancel, &rwlock)                                                    \
        BOTH(CALL, plait_rwlock_release, plait_rwlock_release(&rwlock))                                                \
        BOTH(RESULT, plait_condition_wait, &condition, &lock)                                                          \
        BOTH(RESULT, plait_condition_wait_for, &condition, &lock, never, NULL)                                         \
        BOTH(CALL, plait_condition_notify, plait_condition_notify(&condition, 1))                                      \
        BOTH(CALL, plait_condition_notify_all, plait_condition_notify_all(&condition))                                 \
        BOTH(RESULT, plait_semaphore_acquire, &semaphore)                                                              \
        BOTH(RESULT, plait_semaphore_try, &semaphore)                                                                  \
        BOTH(CALL, plait_semaphore_release, plait_semaphore_release(&semaphore, 1))                                    \
        BOTH(RESULT, plait_barrier_wait, &barrier)                                                                     \
        BOTH(CALL, plait_barrier_abort, plait_barrier_abort(&barrier))                                                 \
        BOTH(CALL, plait_barrier_reset, plait_barrier_reset(&barrier))                                                 \
        BOTH(RESULT, plait_barrier_is_broken, &barrier)                                                                \
        BOTH(RESULT, plait_barrier_waiting, &barrier)                                                                  \
        BOTH(RESULT, plait_once_run, &once, task_return, NULL)                                                         \
        BOTH(RESULT, plait_future_set, &future, 0, NULL)                                                               \
        BOTH(RESULT, plait_future_cancel, &future)                                                                     \
        BOTH(RESULT, plait_future_wait, &future, NULL, NULL)                                                           \
        BOTH(RESULT, plait_future_is_set, &future)                                                                     \
        BOTH(RESULT, plait_future_result, &future, NULL, NULL)                                                         \
        BOTH(CALL, plait_future_add_callback, plait_future_add_callback(&future, &callback))                           \
        BOTH(RESULT, plait_future_remove_callback, &future, &callback)                                                 \
        BOTH(CALL, plait_local_get, plait_local_get(&local))                                                           \
        BOTH(RESULT, plait_local_set, &local, &local)                                                                  \
        BOTH(CALL, plait_event_set, plait_event_set(&event))                                                           \
        BOTH(CALL, plait_event_clear, plait_event_clear(&event))                                                       \
        BOTH(RESULT, plait_event_is_set, &event)                                                                       \
        BOTH(RESULT, plait_event_wait, &event)                                                                         \
        BOTH(CALL, plait_gil_acquire, plait_gil_acquire(&gil))                                                         \
        BOTH(CALL, plait_gil_release, plait_gil_release(&gil))                                                         \
        BOTH(RESULT, plait_gil_checkpoint, &gil)                                                                       \
        BOTH(RESULT, plait_queue_new, &queue, sizeof item, 1, PLAIT_FIFO)                                              \
        BOTH(CALL, plait_queue_free, plait_queue_free(queue))                                                          \
        BOTH(RESULT, plait_queue_put, queue, &item)                                                                    \
        BOTH(RESULT, plait_queue_get, queue, &item)                                                                    \
        BOTH(RESULT, plait_queue_try_put, queue, &item)                                                                \
        BOTH(RESULT, plait_queue_try_get, queue, &item)                                                                \
        BOTH(RESULT, plait_queue_size, queue)                                                                          \
        BOTH(CALL, plait_queue_task_done, plait_queue_task_done(queue))                                                \
        BOTH(RESULT, plait_queue_join, queue)                                                                          \
        BOTH(CALL, plait_queue_shutdown, plait_queue_shutdown(queue, true))                                            \
        BOTH(RESULT, plait_select, &one, 1)                                                                            \
        BOTH(RESULT, plait_select_in_order, &one, 1)                                                                   \
        BOTH(RESULT, plait_select_try, &one, 1)                                                                        \
        BOTH(CALL, plait_dump, plait_dump(stderr))                                                                     \
        BOTH(RESULT, plait_dump_on_signal, SIGUSR2)                                                                    \
        BOTH(RESULT, plait_simulate, NULL, task_return, NULL)                                                          \
        BOTH(RESULT, plait_simulate_many, NULL, 1, task_return, NULL, NULL)                                            \
        BOTH(RESULT, plait_simulated, NULL)                                                                            \
        BOTH(RESULT, plait_read, 0, &item, 1)                                                                          \
        BOTH(RESULT, plait_write, 1, &item, 1)                                                                         \
        BOTH(RESULT, plait_accept, 0, NULL, NULL)                                                                      \
        BOTH(RESULT, plait_connect, 0, NULL, 0)                                                                        \
        BOTH(RESULT, plait_poll, NULL, 0)                                                                              \
        BOTH(RESULT, plait_close, 0)

#define BOTH(kind, ...) kind(__VA_ARGS__)
CALLS
#undef BOTH

static const struct { const char *name; void (*call)(void); } calls[] = {
#define ROW(call, ...) {#call, call##_forked},
#define BOTH(kind, ...) ROW(__VA_ARGS__, 0)
        CALLS
#undef BOTH
};

/* ---- the children */

/* How the child ended; what it wrote on stderr is in `words`. */
static int in_child(void (*body)(void), char *words, size_t size)
{
        int file = memfd_create("words", MFD_CLOEXEC), status = 0;
        struct rlimit no_core = {0, 0};
        ssize_t length;
        pid_t child = fork();

        if (child == 0) {
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

static void check_calls(void)
{
        char words[4096], wanted[128];
        int status;

        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
                status = in_child(calls[i].call, words, sizeof words);
                test_note("%s: %#x %s", calls[i].name, (unsigned)status, words);
                CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
                snprintf(wanted, sizeof wanted, "plait: %s: used after fork", calls[i].name);
                CHECK(strncmp(words, wanted, strlen(wanted)) == 0);
        }
}

static void use_plait_in_peace(void)
{
        int number = 3;

        CHECK_EQUAL(plait_call(plait_threads(), task_square, &number, sizeof number), 0);
        CHECK_EQUAL(number, 9);
}

/* A daemon, or a test's process: whose parent had not used plait. Once: the second run would have a loop. */
TEST(a_fork_before_the_first_use_is_no_matter, .once = true)
{
        char words[4096];

        CHECK(!plait__loop_here);
        CHECK_EQUAL(in_child(use_plait_in_peace, words, sizeof words), 0);
}

TEST(no_call_may_follow_a_fork_of_a_process_that_uses_plait, .seconds = 60)
{
        plait_group_open(&group);
        task = plait_group_start(&group, task_wait, NULL, 0);
        plait_scope_enter(&scope, PLAIT_FOREVER);
        plait_lock_acquire(&lock);
        plait_gil_acquire(&gil);
        CHECK_EQUAL(plait_queue_new(&queue, sizeof item, 1, PLAIT_FIFO), 0);
        CHECK_EQUAL(plait_queue_put(queue, &item), 0);
        CHECK_EQUAL(plait_executor_open(&executor, &executor_options), 0);
        check_calls();
        CHECK_EQUAL(plait_executor_close(executor), 0);
        plait_queue_free(queue);
        plait_gil_release(&gil);
        plait_lock_release(&lock);
        CHECK_EQUAL(plait_scope_leave(&scope), 0);
        plait_group_done(&group);
}

static void use_plait(void)
{
        plait_ignore(plait_yield());
}

static int call_in_child(void *arg)
{
        char words[4096];
        int status = in_child(use_plait, words, sizeof words);

        (void)arg;
        return WIFSIGNALED(status) && strstr(words, "plait_yield: used after fork") ? 0 : -EPROTO;
}

TEST_ON_ALL_EXECUTORS(no_call_may_follow_a_fork_in_a_task)
{
        CHECK_EQUAL(plait_call(test_executor(), call_in_child, NULL, 0), 0);
}

/* ---- what may */

TEST(blocks_may_be_left_after_fork)
{
        pid_t child;
        int status = -1;

        {
                PLAIT_GROUP(here, .name = "left");
                PLAIT_WITHIN(PLAIT_S);
                PLAIT_SHIELD(PLAIT_S);

                plait_group_start(&here, task_wait, NULL, 0);
                plait_ignore(plait_yield());
                child = fork();
        }
        if (child == 0) {
                plait_ignore(0);
                _exit(7);
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        test_note("%#x", (unsigned)status);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
