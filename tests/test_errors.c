/* Each error code that the headers name for the core: one row each. Those of descriptors are in test_fd.c, those of processes in
 * test_process.c. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/spawn.h"
#include "fault.h"
#include "tasks.h"

static plait_queue *queue;
static plait_executor *executor;

static int new_queue(size_t item, size_t capacity, int order)
{
        int rc = plait_queue_new(&queue, item, capacity, (plait_order)order);

        if (rc == 0)
                plait_queue_free(queue);
        return rc;
}

static int new_queue_failing(unsigned long n)
{
        int rc;

        fault_fail_nth(FAULT_alloc, n, 0);
        rc = new_queue(4, 4, PLAIT_FIFO);
        fault_off();
        return rc;
}

static int open_with(plait_executor_options options)
{
        int rc = plait_executor_open(&executor, &options);

        if (rc == 0)
                CHECK_EQUAL(plait_executor_close(executor), 0);
        return rc;
}

static int open_failing(void)
{
        int rc;

        fault_fail_nth(FAULT_alloc, 1, 0);
        rc = open_with((plait_executor_options){.kind = PLAIT_THREADS});
        fault_off();
        return rc;
}

static int put_growing(void)
{
        int item = 0, rc = 0;

        CHECK_EQUAL(plait_queue_new(&queue, sizeof item, SIZE_MAX, PLAIT_FIFO), 0);
        fault_fail_nth(FAULT_alloc, 1, 0);
        for (int i = 0; i < 1000 && rc == 0; i++)
                rc = plait_queue_put(queue, &item);
        fault_off();
        CHECK_EQUAL(plait_queue_put(queue, &item), 0);  /* nothing was spoiled */
        plait_queue_free(queue);
        return rc;
}

static int post_failing(void)
{
        int item = 0, rc;
        PLAIT_GROUP(group, .name = "post");

        fault_fail_nth(FAULT_alloc, 1, 0);
        rc = plait_group_post(&group, task_never, &item, sizeof item);
        fault_off();
        CHECK_EQUAL(plait_group_wait(&group), 0);
        return rc;
}

static int start_failing(void)
{
        plait_task_options options = {.name = "x"};
        PLAIT_GROUP(group, .name = "start");

        fault_fail_nth(FAULT_alloc, 1, 0);
        CHECK(!plait_group_start_with(&group, &options, task_never, NULL, 0));
        fault_off();
        return plait_group_wait(&group);
}

static int start_own_thread_failing(void)
{
        int rc;

        fault_fail_nth(FAULT_thread_start, 1, EAGAIN);
        rc = plait_call(plait_own_thread(), task_never, NULL, 0);
        fault_off();
        return rc;
}

static int leave_failing(enum fault_kind kind)
{
        int rc;

        fault_fail_nth(kind, 1, 0);
        rc = plait_call_or_leave(plait_own_thread(), task_never, NULL, 0);
        fault_off();
        return rc;
}

/* A task that was posted and could not begin was never there; the one behind it begins. */
TEST(a_post_that_cannot_begin_fails_itself_and_nothing_else)
{
        int count = 0, *pointer = &count;
        PLAIT_GROUP(group, .executor = plait_own_thread(), .limit = 1);

        for (int i = 0; i < 2; i++) {
                fault_fail_nth(FAULT_thread_start, 1, EAGAIN);
                CHECK_EQUAL(plait_group_post(&group, task_never, &count, sizeof count), -EAGAIN);
                fault_off();
                CHECK_EQUAL(plait_group_post(&group, task_count, pointer, 0), 0);
                CHECK_EQUAL(plait_group_room(&group), 0);
        }
        CHECK_EQUAL(plait_yield(), 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
        CHECK_EQUAL(count, 2);
}

TEST(each_error_of_the_headers_is_told)
{
        struct { int got, expected; } rows[] = {
                {new_queue(0, 1, PLAIT_FIFO), -EINVAL},
                {new_queue(1, 0, PLAIT_FIFO), -EINVAL},
                {new_queue(1, 1, 7), -EINVAL},
                {new_queue(3, 1, PLAIT_PRIORITY), -EINVAL},
                {new_queue(4, 1, PLAIT_PRIORITY), 0},
                {new_queue(SIZE_MAX, 1, PLAIT_FIFO), -ENOMEM},
                {new_queue(SIZE_MAX / 4, 8, PLAIT_FIFO), -ENOMEM},
                {new_queue_failing(1), -ENOMEM},
                {new_queue_failing(2), -ENOMEM},
                {put_growing(), -ENOMEM},
                {open_with((plait_executor_options){0}), -EINVAL},
                {open_with((plait_executor_options){.kind = (plait_kind)99}), -EINVAL},
                {open_with((plait_executor_options){.kind = PLAIT_THREADS, .stack_bytes = ((size_t)1 << 30) + 1}), -EINVAL},
                {open_with((plait_executor_options){.kind = PLAIT_COROUTINES, .workers = 1, .stack_bytes = SIZE_MAX}), -EINVAL},
                {open_with((plait_executor_options){.kind = PLAIT_THREADS, .threads_max = 1, .workers = 9}), 0},
                {open_failing(), -ENOMEM},
                {post_failing(), -ENOMEM},
                {start_failing(), -ENOMEM},
                {start_own_thread_failing(), -EAGAIN},
                {leave_failing(FAULT_thread_start), -EAGAIN},
                {leave_failing(FAULT_alloc), -ENOMEM},
        };

        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                test_note("row %zu", i);
                CHECK_EQUAL(rows[i].got, rows[i].expected);
        }
}

static bool is_true(void *arg)
{
        return !arg;
}

/* A deadline and a cancel from each call that waits. */
TEST(every_waiting_call_is_a_checkpoint)
{
        plait_lock lock = {{0}}, held = {{0}};
        plait_rlock rlock = {{0}};
        plait_rwlock rwlock = {{0}};
        plait_condition condition = {{0}};
        plait_semaphore semaphore = {.value = 2};
        plait_barrier barrier = {.parties = 1};
        plait_once once = {{0}};
        plait_future future = {{0}};
        plait_event event = {{0}};
        struct pollfd one = {.fd = 0, .events = POLLIN};
        int item = 0;
        char byte = 0;

        CHECK_EQUAL(plait_queue_new(&queue, sizeof item, 2, PLAIT_FIFO), 0);
        CHECK_EQUAL(plait_queue_put(queue, &item), 0);
        plait_event_set(&event);
        CHECK_EQUAL(plait_future_set(&future, 0, NULL), 0);
        plait_lock_acquire(&held);
        for (int way = 0; way < 2; way++) {
                int expected = way ? -ECANCELED : -ETIMEDOUT;
                plait_scope scope;

                plait_scope_enter(&scope, way ? PLAIT_FOREVER : 0);
                if (way)
                        plait_scope_cancel(&scope);
                long rows[] = {
                        plait_yield(), plait_sleep(0), plait_sleep(1), plait_sleep_until(0), plait_event_wait(&event),
                        plait_lock_acquire_or_cancel(&lock), plait_queue_put(queue, &item), plait_queue_get(queue, &item),
                        plait_queue_join(queue), plait_read(0, &byte, 1), plait_write(2, &byte, 0), plait_accept(0, NULL, NULL),
                        plait_connect(0, NULL, 0), plait_poll(&one, 1), plait_task_wait(NULL, NULL),
                        plait_call(NULL, task_never, NULL, 0), plait_call_or_leave(plait_own_thread(), task_never, NULL, 0),
                        plait_map(NULL, task_never, &item, 1, 4), plait_executor_close(NULL), plait_cancelled(),
                        plait_rlock_acquire_or_cancel(&rlock), plait_rwlock_acquire_read_or_cancel(&rwlock),
                        plait_rwlock_acquire_write_or_cancel(&rwlock), plait_condition_wait(&condition, &held),
                        plait_condition_wait_for(&condition, &held, is_true, NULL), plait_semaphore_acquire(&semaphore),
                        plait_barrier_wait(&barrier), plait_once_run(&once, task_never, NULL), plait_future_wait(&future, NULL, NULL),
                };
                CHECK_EQUAL(plait_scope_leave(&scope), expected);
                for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
                        test_note("row %zu", i);
                        CHECK_EQUAL(rows[i], expected);
                }
        }
        plait_lock_release(&held);
        CHECK_EQUAL(plait_queue_size(queue), 1);
        plait_queue_free(queue);
}

/* No call changes errno, whatever fails inside it. */
TEST(what_is_refused_does_not_show_in_errno)
{
        plait_queue *huge;

        errno = ENOTTY;
        CHECK_EQUAL(plait_queue_new(&huge, (size_t)1 << 20, (size_t)1 << 30, PLAIT_FIFO), -ENOMEM);
        CHECK_EQUAL(errno, ENOTTY);
}

/* ---- where the program cannot be started again */

static _Atomic unsigned spawns;

/* As posix_spawn() is where vfork() is a fork(): it does not hear that exec() was refused. */
static int spawn_unheard(struct plait__spawned *ret, bool hidden, const char *path, char *const argv[], const int *fds, int count)
{
        pid_t child = fork();

        (void)hidden;
        (void)path;
        (void)argv;
        (void)fds;
        (void)count;
        if (child == 0)
                _exit(127);
        *ret = (struct plait__spawned){.pid = child, .child = child};
        spawns++;
        return child < 0 ? -errno : 0;
}

TEST(processes_are_refused_where_the_program_cannot_start_again)
{
        int numbers[3] = {1, 2, 3}, calls = test_can_start_again() ? 20 : 2;

        if (test_can_start_again() && plait__sys.spawn != spawn_unheard)        /* else posix_spawn() is like that */
                plait__sys.spawn = spawn_unheard;
        spawns = 0;
        CHECK_EQUAL(plait_call(plait_processes(), task_never, NULL, 0), -ENOTSUP);
        for (int i = 0; i < calls; i++)
                CHECK_EQUAL(plait_call(plait_own_process(), task_never, &numbers[0], sizeof numbers[0]), -ENOTSUP);
        CHECK(spawns <= 1 + (unsigned)calls);   /* who was refused is not tried for again */
        CHECK_EQUAL(plait_map(plait_processes(), task_never, numbers, 3, sizeof numbers[0]), -ENOTSUP);
        CHECK(numbers[0] == 1 && numbers[1] == 2 && numbers[2] == 3);
}
