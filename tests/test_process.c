/* Tasks in worker processes: what travels, what a worker is, cancel, deadline, and what opening a pool can ask for. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"
#include "base/sys.h"
#include "plait.h"
#include "test.h"

struct square { int of, is; pid_t pid; };

static int square(void *arg)
{
        struct square *s = arg;

        s->is = s->of * s->of;
        s->pid = getpid();
        return 0;
}

static int wait_for_death(void *arg)
{
        (void)arg;
        return plait_sleep(PLAIT_FOREVER);
}

/* It is that of the worker: who kills that one, kills the task. */
TEST(the_pid_is_known_as_soon_as_a_task_has_begun)
{
        plait_executor *executors[] = {plait_processes(), plait_own_process()};
        plait_failure failure;

        for (int i = 0; i < 2; i++) {
                plait_task *first, *second;
                pid_t pid;
                PLAIT_GROUP(group, .executor = executors[i], .limit = 1);

                first = plait_group_start(&group, wait_for_death, NULL, 0);
                second = plait_group_start(&group, wait_for_death, NULL, 0);
                while (!(pid = plait_task_pid(first)))
                        CHECK_EQUAL(plait_yield(), 0);
                CHECK_EQUAL(plait_task_pid(second), 0);         /* behind the limit */
                CHECK(pid != getpid() && kill(pid, SIGKILL) == 0);
                CHECK_EQUAL(plait_group_wait(&group), -EOWNERDEAD);
                CHECK_EQUAL(plait_group_failures(&group, &failure, 1), 1);
                CHECK_EQUAL(failure.pid, pid);
        }
}

/* Its worker waits for the time to come; what ran in it before leaves nothing behind. */
TEST(a_task_that_is_cut_before_its_time_says_why_it_never_ran)
{
        plait_executor *executors[] = {plait_processes(), plait_own_process()};
        plait_task_options later = {.after = 3600 * PLAIT_S};
        struct square s = {.of = 2};
        plait_task *task;
        int result;

        for (int i = 0; i < 2; i++) {
                PLAIT_GROUP(group, .executor = executors[i]);

                CHECK_EQUAL(plait_call(executors[i], square, &s, sizeof s), 0);
                task = plait_group_start_with(&group, &later, square, &s, sizeof s);
                while (!plait_task_pid(task))
                        CHECK_EQUAL(plait_yield(), 0);
                plait_task_cancel(task);
                CHECK_EQUAL(plait_task_wait(task, &result), 0);
                CHECK_EQUAL(result, -ECANCELED);
                {
                        PLAIT_WITHIN(20 * PLAIT_MS);
                        CHECK_EQUAL(plait_call(executors[i], square, &s, sizeof s), 0);
                        PLAIT_GROUP(inner, .executor = executors[i]);
                        plait_group_start_with(&inner, &later, square, &s, sizeof s);
                        CHECK_EQUAL(plait_group_wait(&inner), -ETIMEDOUT);
                }
        }
}

/* ---- there and back */

TEST(a_struct_travels_to_a_worker_and_back)
{
        struct square s = {.of = 7};

        CHECK_EQUAL(plait_call(plait_processes(), square, &s, sizeof s), 0);
        CHECK_EQUAL(s.is, 49);
        CHECK(s.pid != getpid());
}

struct large { char text[100000]; };

static int upper(void *arg)
{
        struct large *large = arg;

        for (size_t i = 0; i < sizeof large->text; i++)
                large->text[i] ^= 0x20;
        return 3;
}

TEST(a_large_struct_travels_too_and_a_positive_result_comes_back)
{
        static struct large large;

        memset(large.text, 'a', sizeof large.text);
        CHECK_EQUAL(plait_call(plait_processes(), upper, &large, sizeof large), 3);
        CHECK(large.text[0] == 'A' && large.text[99999] == 'A');
}

static int fail_with_bytes(void *arg)
{
        *(int *)arg = 5;
        return -EDOM;
}

TEST(an_ordinary_failure_brings_its_struct_back)
{
        int number = 1;
        plait_failure failure;
        PLAIT_GROUP(group, .executor = plait_processes(), .name = "ordinary");

        plait_group_start(&group, fail_with_bytes, &number, sizeof number);
        CHECK_EQUAL(plait_group_wait(&group), -EDOM);
        CHECK_EQUAL(number, 5);
        CHECK_EQUAL(plait_group_failures(&group, &failure, 1), 1);
        CHECK(failure.pid > 0 && failure.pid != getpid());
        CHECK_EQUAL(failure.status, 0);
        CHECK(failure.arg == &number && strcmp(failure.name, "ordinary") == 0);
}

static int has_no_struct(void *arg)
{
        return arg ? -EFAULT : 0;
}

TEST(a_task_may_have_no_struct_but_no_pointer)
{
        int number = 1;

        CHECK_EQUAL(plait_call(plait_processes(), has_no_struct, NULL, 0), 0);
        CHECK_EQUAL(plait_call(plait_processes(), has_no_struct, &number, 0), -EFAULT);
}

/* Whether it would begin at once or not. */
TEST(a_post_of_a_function_that_no_file_holds_fails_itself_and_nothing_else)
{
        plait_executor *executors[] = {plait_processes(), plait_own_process()};
        static char code[16];
        plait_fn *nowhere = (plait_fn *)(uintptr_t)code;
        int number = 1;

        for (int i = 0; i < 2; i++) {
                PLAIT_GROUP(group, .executor = executors[i], .limit = 1);

                CHECK_EQUAL(plait_group_post(&group, nowhere, &number, sizeof number), -ENOEXEC);
                CHECK_EQUAL(plait_group_post(&group, has_no_struct, NULL, 0), 0);
                CHECK_EQUAL(plait_group_post(&group, nowhere, NULL, 0), -ENOEXEC);
                CHECK_EQUAL(plait_group_post(&group, NULL, NULL, 0), -EINVAL);
                CHECK_EQUAL(plait_group_post(&group, has_no_struct, &number, 0), -EFAULT);
                CHECK_EQUAL(plait_yield(), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
        }
}

static void note_end(void *value)
{
        *(int *)value = 1;
}

static plait_local inherited = {.end = note_end, .inherited = true};

struct values { bool found; int kept, ended; };

static int look_for_values(void *arg)
{
        static int ended;
        struct values *values = arg;

        values->found = plait_local_get(&inherited) != NULL;
        values->kept = plait_local_set(&inherited, &ended);
        values->ended = ended;                  /* that of the task before */
        return 0;
}

TEST(strand_local_values_do_not_travel_and_end_in_the_worker)
{
        plait_executor_options options = {.kind = PLAIT_PROCESSES, .workers = 1};
        struct values values = {.found = true};
        plait_executor *pool;

        CHECK_EQUAL(plait_local_set(&inherited, &values), 0);
        CHECK_EQUAL(plait_executor_open(&pool, &options), 0);
        for (int i = 0; i < 2; i++) {
                CHECK_EQUAL(plait_call(pool, look_for_values, &values, sizeof values), 0);
                CHECK(!values.found && values.kept == 0 && values.ended == i);
        }
        CHECK_EQUAL(plait_executor_close(pool), 0);
        CHECK_EQUAL(plait_local_set(&inherited, NULL), 0);
}

TEST(a_function_that_no_file_holds_cannot_be_found)
{
        static char code[16];

        CHECK_EQUAL(plait_call(plait_processes(), (plait_fn *)(uintptr_t)code, NULL, 0), -ENOEXEC);
        CHECK_EQUAL(plait_call(plait_own_process(), (plait_fn *)(uintptr_t)code, NULL, 0), -ENOEXEC);
}

TEST(more_tasks_than_workers_all_run)
{
        static struct square squares[3000];
        PLAIT_GROUP(group, .executor = plait_processes(), .limit = 100);

        for (int i = 0; i < 3000; i++) {
                squares[i].of = i;
                plait_group_start(&group, square, &squares[i], sizeof squares[i]);
        }
        CHECK_EQUAL(plait_group_wait(&group), 0);
        for (int i = 0; i < 3000; i++)
                CHECK_EQUAL(squares[i].is, i * i);
}

static int add_line(void *arg)
{
        int fd = open(arg, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        int rc = fd < 0 || write(fd, "x", 1) != 1 ? -EIO : 0;

        close(fd);
        return rc;
}

static long size_of(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        long size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);

        close(fd);
        return size;
}

TEST(what_is_posted_runs_exactly_once)
{
        char path[64];
        PLAIT_GROUP(group, .executor = plait_processes());

        snprintf(path, sizeof path, "/tmp/plait-post-%d", (int)getpid());
        unlink(path);
        for (int i = 0; i < 200; i++)
                CHECK_EQUAL(plait_group_post(&group, add_line, path, sizeof path), 0);
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(size_of(path), 200);
        unlink(path);
}

/* ---- what a worker is */

static int set_by_main;

struct self { int set_by_main, input, sigint_ignored, free_fd; char name[16]; };

static int look_at_self(void *arg)
{
        struct self *self = arg;
        struct sigaction action;
        char byte;
        FILE *comm = fopen("/proc/self/cmdline", "re");

        self->set_by_main = set_by_main;
        self->input = (int)read(0, &byte, 1);
        sigaction(SIGINT, NULL, &action);
        self->sigint_ignored = action.sa_handler == SIG_IGN;
        if (comm && fgets(self->name, sizeof self->name, comm))
                fclose(comm);
        self->free_fd = fcntl(100, F_GETFD);
        return 0;
}

TEST(a_worker_is_the_program_without_its_main)
{
        struct self self = {0};

        set_by_main = 1;
        CHECK(dup2(2, 100) == 100);
        CHECK_EQUAL(plait_call(plait_own_process(), look_at_self, &self, sizeof self), 0);
        close(100);
        CHECK_EQUAL(self.set_by_main, 0);
        CHECK_EQUAL(self.input, 0);
        CHECK(self.sigint_ignored);
        CHECK(strcmp(self.name, "plait-worker") == 0);
        CHECK_EQUAL(self.free_fd, -1);
}

static int start_one_inside(void *arg)
{
        struct square *s = arg, inside = {.of = s->of};
        int rc = plait_call(plait_processes(), square, &inside, sizeof inside);

        s->is = inside.is;
        s->pid = inside.pid == getpid() ? 0 : inside.pid;
        return rc;
}

TEST(a_task_in_a_worker_has_workers_of_its_own)
{
        struct square s = {.of = 9};

        CHECK_EQUAL(plait_call(plait_processes(), start_one_inside, &s, sizeof s), 0);
        CHECK_EQUAL(s.is, 81);
        CHECK(s.pid);
}

static int start_groups_inside(void *arg)
{
        struct square *s = arg, inside[8];
        plait_executor *executors[] = {plait_coroutines(), plait_threads()};

        for (int e = 0; e < 2; e++) {
                PLAIT_GROUP(group, .executor = executors[e], .within = 10 * PLAIT_S);

                for (int i = 0; i < 8; i++) {
                        inside[i] = (struct square){.of = i};
                        plait_group_start(&group, square, &inside[i], sizeof inside[i]);
                }
                if (plait_group_wait(&group) < 0)
                        return -EIO;
                for (int i = 0; i < 8; i++)
                        s->is += inside[i].is;
        }
        return 0;
}

TEST(a_task_in_a_worker_starts_groups_of_coroutines_and_threads)
{
        struct square s = {0};

        CHECK_EQUAL(plait_call(plait_processes(), start_groups_inside, &s, sizeof s), 0);
        CHECK_EQUAL(s.is, 280);
}

/* A program that waits for all its children, or reaps whatever ends, does not meet plait's. */
TEST(wait_does_not_see_the_fork_server)
{
        struct square s = {.of = 7};
        int status;
        pid_t child;

        if (!PLAIT__SPAWN_HIDES)
                SKIP("the thread sanitizer takes a clone() that shares memory for a fork()");
        CHECK_EQUAL(plait_call(plait_processes(), square, &s, sizeof s), 0);
        CHECK(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD);
        child = fork();
        if (child == 0)
                _exit(5);
        CHECK_EQUAL(wait(&status), child);
        CHECK_EQUAL(status, 5 << 8);
        CHECK(wait(&status) == -1 && errno == ECHILD);
}

TEST(a_hidden_program_is_waited_for_by_its_keeper)
{
        char *argv[] = {"true", NULL}, *none[] = {"none", NULL};
        struct plait__spawned spawned;
        int status;

        if (!PLAIT__SPAWN_HIDES)
                SKIP("the thread sanitizer takes a clone() that shares memory for a fork()");
        CHECK_EQUAL(plait__spawn(&spawned, true, "/bin/true", argv, NULL, 0), 0);
        CHECK(spawned.pid != spawned.child);
        CHECK_EQUAL(waitpid(spawned.child, &status, __WALL), spawned.child);
        CHECK_EQUAL(status, 0);
        plait__sys.free(spawned.keeper);
        CHECK_EQUAL(plait__spawn(&spawned, true, "/nowhere/none", none, NULL, 0), -ENOENT);
        CHECK(waitpid(-1, &status, __WALL | WNOHANG) == -1 && errno == ECHILD);
        CHECK_EQUAL(plait__spawn(&spawned, false, "/bin/true", argv, NULL, 0), 0);
        CHECK_EQUAL(spawned.pid, spawned.child);
        CHECK_EQUAL(wait(&status), spawned.child);
}

/* ---- cancel and deadline */

static int sleep_long(void *arg)
{
        int rc = plait_sleep(60 * PLAIT_S);

        *(int *)arg = rc;
        return rc;
}

static int compute_until_cancelled(void *arg)
{
        int rc;

        while ((rc = plait_cancelled()) == 0)
                ;
        *(int *)arg = rc;
        return rc;
}

static int read_for_ever(void *arg)
{
        int ends[2], rc = pipe(ends);
        char byte;

        if (rc == 0)
                rc = (int)plait_read(ends[0], &byte, 1);
        *(int *)arg = rc;
        return rc;
}

static int never_look(void *arg)
{
        *(volatile int *)arg = 1;
        for (;;)
                ;
        return 0;
}

static plait_fn *const patient[] = {sleep_long, compute_until_cancelled, read_for_ever};

TEST(a_deadline_reaches_into_the_worker)
{
        int seen[3] = {0};
        PLAIT_GROUP(group, .executor = plait_own_process(), .within = test_slower() * 300 * PLAIT_MS);

        for (int i = 0; i < 3; i++)
                plait_group_start(&group, patient[i], &seen[i], sizeof seen[i]);
        CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
        for (int i = 0; i < 3; i++)
                CHECK_EQUAL(seen[i], -ETIMEDOUT);
}

TEST(a_cancel_reaches_into_the_worker)
{
        int seen[3] = {0};
        plait_task *tasks[3];
        PLAIT_GROUP(group, .executor = plait_own_process());

        for (int i = 0; i < 3; i++)
                tasks[i] = plait_group_start(&group, patient[i], &seen[i], sizeof seen[i]);
        CHECK_EQUAL(plait_sleep(20 * PLAIT_MS), 0);     /* most have begun by then; one that has not never runs: as good */
        plait_group_cancel(&group);
        for (int i = 0; i < 3; i++)
                CHECK(!tasks[i] || plait_task_result(tasks[i]) == -EINPROGRESS || plait_task_result(tasks[i]) == -ECANCELED);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        for (int i = 0; i < 3; i++)
                CHECK(seen[i] == -ECANCELED || seen[i] == 0);
}

TEST(a_task_with_a_deadline_of_its_own_is_cut_short_by_it)
{
        int seen = 0;
        plait_task_options options = {.within = 50 * PLAIT_MS};
        PLAIT_GROUP(group, .executor = plait_processes());

        plait_group_start_with(&group, &options, sleep_long, &seen, sizeof seen);
        CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
        CHECK_EQUAL(seen, -ETIMEDOUT);
}

TEST(a_task_whose_own_time_is_over_at_once_never_runs_and_cancels_nobody)
{
        plait_executor *executors[] = {plait_processes(), plait_own_process()};

        for (int e = 0; e < 2; e++) {
                struct square s = {.of = 7};
                int never = 1, result = 0;
                plait_task_options options = {.within = -1};
                plait_task *task;
                PLAIT_GROUP(group, .executor = executors[e]);

                task = plait_group_start_with(&group, &options, fail_with_bytes, &never, sizeof never);
                CHECK_EQUAL(plait_task_wait(task, &result), 0);
                CHECK_EQUAL(result, -ETIMEDOUT);
                plait_group_start(&group, square, &s, sizeof s);
                CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
                CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
                CHECK_EQUAL(never, 1);
                CHECK_EQUAL(s.is, 49);
        }
}

TEST(one_that_does_not_look_is_killed)
{
        int untouched = 0;
        PLAIT_GROUP(group, .executor = plait_processes(), .within = test_slower() * 100 * PLAIT_MS, .kill_after = 10 * PLAIT_MS);

        plait_group_start(&group, never_look, &untouched, sizeof untouched);
        CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
        CHECK_EQUAL(untouched, 0);
}

/* Its own time counts from when it begins: the one worker has another task until then. */
TEST(one_that_outlasts_its_own_time_is_killed)
{
        plait_executor *executor;
        plait_executor_options pool = {.kind = PLAIT_PROCESSES, .workers = 1};
        plait_task_options before = {.within = test_slower() * 100 * PLAIT_MS, .kill_after = 60 * PLAIT_S},
                           own = {.within = test_slower() * 50 * PLAIT_MS, .kill_after = 10 * PLAIT_MS},
                           groups = {.within = test_slower() * 50 * PLAIT_MS};

        CHECK_EQUAL(plait_executor_open(&executor, &pool), 0);
        {
                int seen = 0, untouched[2] = {0};
                plait_task *tasks[2];
                PLAIT_GROUP(group, .executor = executor, .kill_after = PLAIT_MS, .limit = 3);

                plait_group_start_with(&group, &before, sleep_long, &seen, sizeof seen);
                tasks[0] = plait_group_start_with(&group, &own, never_look, &untouched[0], sizeof untouched[0]);
                tasks[1] = plait_group_start_with(&group, &groups, never_look, &untouched[1], sizeof untouched[1]);
                for (int i = 0; i < 2; i++) {
                        int result = 0;

                        CHECK_EQUAL(plait_task_wait(tasks[i], &result), 0);
                        CHECK_EQUAL(result, -ETIMEDOUT);
                        CHECK_EQUAL(plait_task_status(tasks[i]), SIGKILL);
                        CHECK_EQUAL(untouched[i], 0);
                }
                CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
                CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
                CHECK_EQUAL(seen, -ETIMEDOUT);
        }
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

TEST(a_task_is_killed_by_hand)
{
        int untouched = 0, other = 0;
        plait_task *task;
        PLAIT_GROUP(group, .executor = plait_own_process());

        task = plait_group_start(&group, never_look, &untouched, sizeof untouched);
        plait_group_start(&group, fail_with_bytes, &other, 0);  /* a start that cannot be made: it cancels, and is the result */
        CHECK_EQUAL(plait_task_kill(task), 0);
        CHECK_EQUAL(plait_group_wait(&group), -EFAULT);
        CHECK_EQUAL(untouched, 0);
}

TEST(a_call_may_be_left)
{
        int untouched = 0;
        plait_time began = plait_now();

        {
                PLAIT_WITHIN(20 * PLAIT_MS);

                CHECK_EQUAL(plait_call_or_leave(plait_own_process(), never_look, &untouched, sizeof untouched), -ETIMEDOUT);
        }
        CHECK_EQUAL(untouched, 0);
        CHECK(plait_now() - began < 10 * PLAIT_S);
}

static int tick(void *arg)
{
        int *ticks = arg;

        while (*ticks < 20 && plait_sleep(PLAIT_MS) == 0)
                ++*ticks;
        return 0;
}

TEST(coroutines_of_the_loop_go_on_while_a_strand_waits_for_a_worker)
{
        int ticks = 0, seen = 0;
        PLAIT_GROUP(group, .name = "ticks");

        plait_group_start(&group, tick, &ticks, sizeof ticks);
        {
                PLAIT_WITHIN(100 * PLAIT_MS);

                CHECK_EQUAL(plait_call(plait_processes(), sleep_long, &seen, sizeof seen), -ETIMEDOUT);
        }
        CHECK(ticks > 1);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

/* ---- pools */

static int initialized;

static int initialize(void *arg)
{
        initialized = *(int *)arg;
        return initialized < 0 ? initialized : 0;
}

static int tell_initialized(void *arg)
{
        *(int *)arg = initialized;
        return 0;
}

TEST(an_initializer_runs_in_each_worker)
{
        int number = 17, got = 0;
        plait_executor *executor;
        plait_executor_options options = {.kind = PLAIT_PROCESSES, .workers = 2, .initializer = initialize,
                                          .initializer_arg = &number, .initializer_arg_size = sizeof number};

        CHECK_EQUAL(plait_executor_open(&executor, &options), 0);
        number = 0;
        CHECK_EQUAL(plait_call(executor, tell_initialized, &got, sizeof got), 0);
        CHECK_EQUAL(got, 17);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

TEST(an_initializer_that_fails_fails_the_tasks)
{
        int number = -EPROTO, got = 0;
        plait_executor *executor;
        plait_executor_options options = {.kind = PLAIT_PROCESSES, .workers = 1, .initializer = initialize,
                                          .initializer_arg = &number, .initializer_arg_size = sizeof number};

        CHECK_EQUAL(plait_executor_open(&executor, &options), 0);
        CHECK_EQUAL(plait_call(executor, tell_initialized, &got, sizeof got), -EPROTO);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

TEST(a_worker_is_replaced_after_so_many_tasks)
{
        struct square s[6] = {{0}};
        plait_executor *executor;
        plait_executor_options options = {.kind = PLAIT_PROCESSES, .workers = 1, .max_tasks_per_worker = 2};
        int changes = 0;

        CHECK_EQUAL(plait_executor_open(&executor, &options), 0);
        for (int i = 0; i < 6; i++) {
                CHECK_EQUAL(plait_call(executor, square, &s[i], sizeof s[i]), 0);
                changes += i && s[i].pid != s[i - 1].pid;
        }
        CHECK_EQUAL(changes, 2);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

TEST(what_a_pool_cannot_be_asked_for)
{
        int number;
        plait_executor *executor;
        plait_executor_options options = {.kind = PLAIT_PROCESSES, .start_method = PLAIT_SPAWN};

        CHECK_EQUAL(plait_executor_open(&executor, &options), -ENOTSUP);
        options = (plait_executor_options){.kind = PLAIT_PROCESSES, .initializer = initialize, .initializer_arg = &number};
        CHECK_EQUAL(plait_executor_open(&executor, &options), -EFAULT);
        CHECK_EQUAL(plait_executor_close(plait_processes()), -ENOTSUP);
        CHECK_EQUAL(plait_executor_close(plait_own_process()), -ENOTSUP);
}

TEST(a_pool_that_was_never_used_closes)
{
        plait_executor *executor;
        plait_executor_options options = {.kind = PLAIT_PROCESSES};

        CHECK_EQUAL(plait_executor_open(&executor, &options), 0);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}
