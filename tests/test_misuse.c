/* Misuse aborts, with a sentence that names the call. */
#include <errno.h>

#include "tasks.h"

static plait_group group = {.name = "misused"};
static plait_group threads_group = {.name = "misused"};
static plait_lock lock;
static plait_gil gil, other_gil;
static plait_queue *queue;

static int call(plait_fn *fn)
{
        int rc;

        group.executor = NULL;
        plait_group_open(&group);
        plait_group_start(&group, fn, NULL, 0);
        rc = plait_group_wait(&group);
        plait_group_done(&group);
        return rc;
}

/* ---- groups */

TEST_ABORTS(opening_an_open_group, "plait_group_open: the group 'misused' is open already")
{
        plait_group_open(&group);
        plait_group_open(&group);
}

TEST_ABORTS(starting_in_a_group_that_is_not_open, "plait_group_start: the group 'misused' is not open")
{
        plait_group_start(&group, task_return, NULL, 0);
}

TEST_ABORTS(starting_with_options_in_a_group_that_is_not_open, "plait_group_start_with: ")
{
        plait_group_start_with(&group, NULL, task_return, NULL, 0);
}

TEST_ABORTS(posting_in_a_group_that_is_not_open, "plait_group_post: ")
{
        plait_ignore(plait_group_post(&group, task_return, NULL, 0));
}

TEST_ABORTS(waiting_for_a_group_that_is_not_open, "plait_group_wait: ")
{
        plait_ignore(plait_group_wait(&group));
}

TEST_ABORTS(next_of_a_group_that_is_not_open, "plait_group_next: ")
{
        plait_task *task;

        plait_ignore(plait_group_next(&group, &task));
}

TEST_ABORTS(room_in_a_group_that_is_not_open, "plait_group_room: ")
{
        plait_ignore(plait_group_room(&group));
}

static int wait_own(void *arg)
{
        (void)arg;
        return plait_group_wait(&group);
}

TEST_ABORTS(waiting_on_ones_own_group, "plait_group_wait: called by a task of the group 'misused'")
{
        call(wait_own);
}

static int done_own(void *arg)
{
        (void)arg;
        plait_group_done(&group);
        return 0;
}

TEST_ABORTS(ending_ones_own_group, "plait_group_done: called by a task of the group 'misused'")
{
        call(done_own);
}

static int start_other(void *arg)
{
        (void)arg;
        plait_group_start(&threads_group, task_return, NULL, 0);
        return 0;
}

TEST_ABORTS(starting_in_anothers_group, "plait_group_start: neither the owner nor a task of the group")
{
        plait_group_open(&threads_group);
        call(start_other);
}

static int wait_other(void *arg)
{
        (void)arg;
        return plait_group_wait(&threads_group);
}

TEST_ABORTS(waiting_for_anothers_group, "plait_group_wait: not called by the owner")
{
        plait_group_open(&threads_group);
        call(wait_other);
}

TEST_ABORTS(a_detached_group_is_waited_for_by_two, "another strand is waiting for the group")
{
        plait_task *task;
        PLAIT_GROUP(waiters, .keep_going = true);

        threads_group.detached = true;
        plait_group_open(&threads_group);
        plait_group_start(&threads_group, task_wait, NULL, 0);
        task = plait_group_start(&waiters, wait_other, NULL, 0);
        test_until_task_parked(task);
        plait_group_done(&threads_group);
}

TEST_ABORTS(a_detached_group_by_declaration, "detached")
{
        PLAIT_GROUP(here, .detached = true);

        plait_group_cancel(&here);
}

static int return_with_group(void *arg)
{
        (void)arg;
        plait_group_open(&threads_group);
        return 0;
}

TEST_ABORTS(returning_from_a_task_with_an_open_group, "still open")
{
        call(return_with_group);
}

static plait_scope scope;

static int return_with_scope(void *arg)
{
        (void)arg;
        plait_scope_enter(&scope, PLAIT_FOREVER);
        return 0;
}

TEST_ABORTS(returning_from_a_task_inside_a_scope, "returned while a scope that it opened is still open")
{
        call(return_with_scope);
}

static int map_with_scope(void *arg)
{
        return return_with_scope(arg);
}

TEST_ABORTS(returning_from_an_item_inside_a_scope, "plait_map")
{
        int items[2];

        plait_ignore(plait_map(NULL, map_with_scope, items, 2, sizeof items[0]));
}

static int wait_for_self(void *arg)
{
        return plait_task_wait(*(plait_task **)arg, NULL);
}

static int select_self(void *arg)
{
        plait_case one = PLAIT_TASK(*(plait_task **)arg);

        return plait_select(&one, 1);
}

TEST_ABORTS(selecting_oneself, "plait_select: the task 'misused' waits for itself")
{
        plait_task *task;

        plait_group_open(&group);
        task = plait_group_start(&group, select_self, &task, 0);
        plait_ignore(plait_group_wait(&group));
}

TEST_ABORTS(selecting_a_task_of_a_group_that_has_ended, "plait_select: the task is gone: its group has ended")
{
        plait_case one;

        plait_group_open(&group);
        one = PLAIT_TASK(plait_group_start(&group, task_return, NULL, 0));
        plait_ignore(plait_group_wait(&group));
        plait_ignore(plait_select(&one, 1));
}

TEST_ABORTS(waiting_for_oneself, "plait_task_wait: the task 'misused' waits for itself")
{
        plait_task *task;

        plait_group_open(&group);
        task = plait_group_start(&group, wait_for_self, &task, 0);
        plait_ignore(plait_group_wait(&group));
}

/* ---- scopes */

TEST_ABORTS(entering_a_scope_twice, "plait_scope_enter: the scope is entered already")
{
        plait_scope_enter(&scope, PLAIT_S);
        plait_scope_enter(&scope, PLAIT_S);
}

TEST_ABORTS(entering_a_shield_twice, "plait_scope_enter_shield: the scope is entered already")
{
        plait_scope_enter_shield(&scope, PLAIT_S);
        plait_scope_enter_shield(&scope, PLAIT_S);
}

TEST_ABORTS(leaving_a_scope_that_is_not_the_innermost, "plait_scope_leave: the scope is not this strand's innermost")
{
        plait_scope inner;

        plait_scope_enter(&scope, PLAIT_S);
        plait_scope_enter(&inner, PLAIT_S);
        plait_scope_leave(&scope);
}

TEST_ABORTS(leaving_a_scope_that_was_not_entered, "plait_scope_leave: ")
{
        plait_scope_leave(&scope);
}

TEST_ABORTS(leaving_a_scope_under_an_open_group, "plait_scope_leave: a group that was opened inside the scope is still open")
{
        plait_scope_enter(&scope, PLAIT_S);
        plait_group_open(&group);
        plait_scope_leave(&scope);
}

TEST_ABORTS(ending_a_block_under_an_open_group, "plait_scope_leave: ")
{
        {
                PLAIT_WITHIN(PLAIT_S);
                plait_group_open(&group);
        }
}

/* ---- sync */

TEST_ABORTS(releasing_a_lock_that_is_not_held, "plait_lock_release: this strand does not hold the lock")
{
        plait_lock_release(&lock);
}

static int release_lock(void *arg)
{
        (void)arg;
        plait_lock_release(&lock);
        return 0;
}

TEST_ABORTS(releasing_anothers_lock, "plait_lock_release: ")
{
        plait_lock_acquire(&lock);
        call(release_lock);
}

TEST_ABORTS(acquiring_a_lock_twice, "plait_lock_acquire: this strand holds the lock already")
{
        plait_lock_acquire(&lock);
        plait_lock_acquire(&lock);
}

TEST_ABORTS(acquiring_a_lock_twice_or_cancel, "plait_lock_acquire_or_cancel: this strand holds the lock already")
{
        plait_lock_acquire(&lock);
        plait_ignore(plait_lock_acquire_or_cancel(&lock));
}

TEST_ABORTS(acquiring_a_gil_twice, "plait_gil_acquire: this strand holds the gil already")
{
        plait_gil_acquire(&gil);
        plait_gil_acquire(&gil);
}

TEST_ABORTS(acquiring_another_gil, "plait_gil_acquire: this strand holds another gil already")
{
        plait_gil_acquire(&gil);
        plait_gil_acquire(&other_gil);
}

TEST_ABORTS(releasing_a_gil_that_is_not_held, "plait_gil_release: this strand does not hold the gil")
{
        plait_gil_release(&gil);
}

TEST_ABORTS(a_checkpoint_without_the_gil, "plait_gil_checkpoint: this strand does not hold the gil")
{
        plait_gil_checkpoint(&gil);
}

TEST_ABORTS(more_task_done_than_items, "plait_queue_task_done: called more often than items were put")
{
        CHECK_EQUAL(plait_queue_new(&queue, 1, 1, PLAIT_FIFO), 0);
        plait_queue_task_done(queue);
}

static int get_forever(void *arg)
{
        char byte;

        (void)arg;
        return plait_queue_get(queue, &byte);
}

TEST_ABORTS(freeing_a_queue_that_is_waited_on, "plait_queue_free: a strand waits on the queue")
{
        CHECK_EQUAL(plait_queue_new(&queue, 1, 1, PLAIT_FIFO), 0);
        plait_group_open(&group);
        plait_group_start(&group, get_forever, NULL, 0);
        test_until_parked(&group);
        plait_queue_free(queue);
}

/* ---- executors */

static plait_executor *pool;

static int close_own(void *arg)
{
        (void)arg;
        return plait_executor_close(pool);
}

TEST_ABORTS(closing_the_executor_of_ones_task, "plait_executor_close: called by a task that runs in the executor")
{
        plait_executor_options options = {.kind = PLAIT_THREADS};

        CHECK_EQUAL(plait_executor_open(&pool, &options), 0);
        plait_ignore(plait_call(pool, close_own, NULL, 0));
}

static int leave_a_group_open(void *arg)
{
        static plait_group left = {.name = "left"};

        (void)arg;
        plait_group_open(&left);
        return 0;
}

TEST_ABORTS(returning_from_a_call_that_may_be_left_with_a_group_open, "plait_call_or_leave: the function returned while")
{
        plait_ignore(plait_call_or_leave(plait_own_thread(), leave_a_group_open, NULL, 0));
}
