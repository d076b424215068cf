/* Workers that die: what the task, its siblings and the pool come to know of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
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

enum how { SEGV, EXIT, EXIT_0, ABORT, OVERFLOW, KILL, HANG };

struct end { enum how how; int touched; };

static int overflow(int depth)
{
        volatile char frame[4096];

        frame[0] = (char)depth;
        return depth < 0 ? 0 : overflow(depth + 1) + frame[0];
}

static int die(void *arg)
{
        struct end *end = arg;

        end->touched = 1;
        signal(SIGSEGV, SIG_DFL);               /* a sanitizer would report it and exit instead */
        switch (end->how) {
        case SEGV:
                raise(SIGSEGV);
                break;
        case EXIT:
                exit(3);
        case EXIT_0:
                _exit(0);
        case ABORT:
                abort();
        case OVERFLOW:
                return overflow(1);
        case KILL:
                kill(getpid(), SIGKILL);
                break;
        case HANG:
                pause();
        }
        return 0;
}

static int add_one(void *arg)
{
        ++*(int *)arg;
        return 0;
}

static void check_death(plait_executor *executor, enum how how, int status)
{
        struct end end = {.how = how};
        plait_failure failure;
        int number = 1;
        PLAIT_GROUP(group, .executor = executor, .name = "deadly");

        plait_group_start(&group, die, &end, sizeof end);
        CHECK_EQUAL(plait_group_wait(&group), -EOWNERDEAD);
        CHECK_EQUAL(end.touched, 0);            /* a dead worker's struct is unchanged */
        CHECK_EQUAL(plait_group_failures(&group, &failure, 1), 1);
        CHECK_EQUAL(failure.status & ~0x80, status);
        CHECK(failure.pid > 0);
        CHECK_EQUAL(plait_call(executor, add_one, &number, sizeof number), 0);
        CHECK_EQUAL(number, 2);
}

static void check_deaths(plait_executor *executor)
{
        check_death(executor, SEGV, SIGSEGV);
        check_death(executor, EXIT, 3 << 8);
        check_death(executor, EXIT_0, 0);
        check_death(executor, ABORT, SIGABRT);
        check_death(executor, KILL, SIGKILL);
}

TEST(a_task_in_which_the_worker_dies_fails_with_its_status)
{
        check_deaths(plait_processes());
}

TEST(so_does_one_in_a_process_of_its_own)
{
        check_deaths(plait_own_process());
}

#ifndef TEST_SANITIZER_ADDRESS
TEST(a_stack_that_overflows_kills_only_its_worker)
{
        check_death(plait_processes(), OVERFLOW, SIGSEGV);
}
#endif

TEST(siblings_of_a_death_go_on)
{
        struct end end = {.how = SEGV};
        int numbers[50] = {0};
        PLAIT_GROUP(group, .executor = plait_processes(), .keep_going = true);

        for (int i = 0; i < 50; i++) {
                plait_group_start(&group, add_one, &numbers[i], sizeof numbers[i]);
                if (i % 10 == 5)
                        plait_group_start(&group, die, &end, sizeof end);
        }
        CHECK_EQUAL(plait_group_wait(&group), -EOWNERDEAD);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 5);
        for (int i = 0; i < 50; i++)
                CHECK_EQUAL(numbers[i], 1);
}

static int die_at_start(void *arg)
{
        (void)arg;
        raise(SIGKILL);
        return 0;
}

TEST(workers_that_die_before_they_are_ready_fail_the_task)
{
        plait_executor *executor;
        plait_executor_options options = {.kind = PLAIT_PROCESSES, .workers = 2, .initializer = die_at_start};
        int number = 1;

        CHECK_EQUAL(plait_executor_open(&executor, &options), 0);
        CHECK_EQUAL(plait_call(executor, add_one, &number, sizeof number), -EOWNERDEAD);
        CHECK_EQUAL(plait_call(executor, add_one, &number, sizeof number), -EOWNERDEAD);
        CHECK_EQUAL(number, 1);
        CHECK_EQUAL(plait_executor_close(executor), 0);
}

/* ---- running again */

enum then { SUCCEED, FAIL, DIE, WAIT, SPIN, OUTLAST_AND_DIE };

/* Adds a byte to its file; dies if that was one of the first so many; else does what it is to. */
struct again { char path[40]; int deaths; enum then then; int touched; };

static long runs_of(const struct again *again)
{
        int fd = open(again->path, O_RDONLY | O_CLOEXEC);
        long size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);

        if (fd >= 0)
                close(fd);
        return size;
}

static int run_of_many(void *arg)
{
        struct again *again = arg;
        int fd = open(again->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, "x", 1) != 1)
                return -EIO;
        close(fd);
        again->touched++;
        if (runs_of(again) <= again->deaths || again->then == DIE)
                raise(SIGKILL);
        while (again->then == SPIN)
                ;
        while (again->then == OUTLAST_AND_DIE)
                if (plait_cancelled() < 0)
                        raise(SIGKILL);
        return again->then == FAIL ? -EDOM : again->then == WAIT ? plait_sleep(PLAIT_FOREVER) : 7;
}

static struct again again_with(int deaths, enum then then)
{
        struct again again = {.deaths = deaths, .then = then};

        snprintf(again.path, sizeof again.path, "/tmp/plait-again-%d", (int)getpid());
        unlink(again.path);
        return again;
}

static plait_executor *(*const in_processes[])(void) = {plait_processes, plait_own_process};

TEST(a_task_may_be_tried_again_when_its_worker_dies)
{
        for (int e = 0; e < 2; e++) {
                struct again again = again_with(2, SUCCEED);
                plait_task_options options = {.retries = 2};
                PLAIT_GROUP(group, .executor = in_processes[e]());
                plait_task *task = plait_group_start_with(&group, &options, run_of_many, &again, sizeof again);
                int result = 0;

                CHECK_EQUAL(plait_task_wait(task, &result), 0);
                CHECK_EQUAL(result, 7);
                CHECK_EQUAL(plait_task_status(task), 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
                CHECK_EQUAL(again.touched, 1);          /* the struct is that of the last run */
                CHECK_EQUAL(runs_of(&again), 3);
                unlink(again.path);
        }
}

TEST(when_all_tries_are_used_up_the_last_death_is_told)
{
        for (int e = 0; e < 2; e++) {
                struct again again = again_with(0, DIE);
                plait_failure failure;
                plait_task_options options = {.retries = 2};
                PLAIT_GROUP(group, .executor = in_processes[e]());

                plait_group_start_with(&group, &options, run_of_many, &again, sizeof again);
                CHECK_EQUAL(plait_group_wait(&group), -EOWNERDEAD);
                CHECK_EQUAL(plait_group_failures(&group, &failure, 1), 1);
                CHECK_EQUAL(failure.status, SIGKILL);
                CHECK(failure.pid > 0);
                CHECK_EQUAL(again.touched, 0);
                CHECK_EQUAL(runs_of(&again), 3);
                unlink(again.path);
        }
}

TEST(an_ordinary_failure_is_not_tried_again)
{
        struct again again = again_with(1, FAIL);
        plait_task_options options = {.retries = 5};
        PLAIT_GROUP(group, .executor = plait_processes());

        plait_group_start_with(&group, &options, run_of_many, &again, sizeof again);
        CHECK_EQUAL(plait_group_wait(&group), -EDOM);
        CHECK_EQUAL(runs_of(&again), 2);
        unlink(again.path);
}

static void wait_for_runs(const struct again *again, long runs)
{
        while (runs_of(again) < runs)
                CHECK_EQUAL(plait_sleep(PLAIT_MS), 0);
}

TEST(what_plait_has_killed_is_not_tried_again)
{
        struct again again = again_with(1, SPIN);
        plait_task_options options = {.retries = 5};
        PLAIT_GROUP(group, .executor = plait_processes(), .keep_going = true, .kill_after = PLAIT_MS);
        plait_task *task = plait_group_start_with(&group, &options, run_of_many, &again, sizeof again);
        int result = 0;

        wait_for_runs(&again, 2);
        CHECK_EQUAL(plait_task_kill(task), 0);
        CHECK_EQUAL(plait_task_wait(task, &result), 0);
        CHECK_EQUAL(result, -ECANCELED);
        CHECK_EQUAL(plait_task_status(task), SIGKILL);
        CHECK_EQUAL(runs_of(&again), 2);

        options.within = test_slower() * 100 * PLAIT_MS;
        again = again_with(0, SPIN);
        task = plait_group_start_with(&group, &options, run_of_many, &again, sizeof again);
        CHECK_EQUAL(plait_task_wait(task, &result), 0);
        CHECK_EQUAL(result, -ETIMEDOUT);
        CHECK_EQUAL(runs_of(&again), 1);

        again = again_with(0, WAIT);
        options.within = 0;
        task = plait_group_start_with(&group, &options, run_of_many, &again, sizeof again);
        wait_for_runs(&again, 1);
        plait_task_cancel(task);
        CHECK_EQUAL(plait_task_wait(task, &result), 0);
        CHECK_EQUAL(result, -ECANCELED);
        CHECK_EQUAL(runs_of(&again), 1);
        CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 0);
        unlink(again.path);
}

TEST(nor_is_what_is_out_of_time_and_all_tries_have_one_time)
{
        struct again again = again_with(0, OUTLAST_AND_DIE);
        plait_task_options options = {.retries = 5, .within = test_slower() * 100 * PLAIT_MS};
        PLAIT_GROUP(group, .executor = plait_processes(), .keep_going = true);
        plait_task *task = plait_group_start_with(&group, &options, run_of_many, &again, sizeof again);
        int result = 0;

        CHECK_EQUAL(plait_task_wait(task, &result), 0);
        CHECK_EQUAL(result, -EOWNERDEAD);
        CHECK_EQUAL(runs_of(&again), 1);
        again = again_with(1, WAIT);
        task = plait_group_start_with(&group, &options, run_of_many, &again, sizeof again);
        CHECK_EQUAL(plait_task_wait(task, &result), 0);
        CHECK_EQUAL(result, -ETIMEDOUT);
        CHECK_EQUAL(runs_of(&again), 2);
        CHECK_EQUAL(plait_group_wait(&group), -EOWNERDEAD);
        CHECK_EQUAL(plait_group_failures(&group, NULL, 0), 1);
        unlink(again.path);
}

TEST(a_pool_that_is_closed_at_once_tries_nothing_again)
{
        plait_executor *executor;
        plait_executor_options pool = {.kind = PLAIT_PROCESSES, .workers = 2};
        plait_task_options options = {.retries = UINT_MAX};
        struct again again = again_with(0, DIE);
        int rc;

        CHECK_EQUAL(plait_executor_open(&executor, &pool), 0);
        {
                PLAIT_GROUP(group, .executor = executor, .keep_going = true);

                for (int i = 0; i < 5; i++)
                        plait_group_start_with(&group, &options, run_of_many, &again, sizeof again);
                wait_for_runs(&again, 20);
                {
                        PLAIT_WITHIN(PLAIT_MS);

                        CHECK_EQUAL(plait_executor_close(executor), -ETIMEDOUT);
                }
                rc = plait_group_wait(&group);
                CHECK(rc == -EOWNERDEAD || rc == -ECANCELED);
        }
        unlink(again.path);
}

/* ---- killing from outside */

/* Processes whose parent is `parent`. */
static int children_of(pid_t parent, pid_t *ret, int max)
{
        char command[64];
        int count = 0;
        FILE *list;

        snprintf(command, sizeof command, "cat /proc/%d/task/*/children 2>/dev/null", (int)parent);
        list = popen(command, "re");
        while (list && count < max && fscanf(list, "%d", &ret[count]) == 1)
                count++;
        if (list)
                pclose(list);
        return count;
}

static bool first_line_is(pid_t pid, const char *file_name, const char *expected)
{
        char path[64], line[32] = "";
        FILE *file;

        snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file_name);
        file = fopen(path, "re");
        if (!file)
                return false;
        if (fgets(line, sizeof line, file))
                line[strcspn(line, "\n")] = 0;
        fclose(file);
        return strcmp(line, expected) == 0;
}

/* The process that stands between a program and its fork server, so that wait() does not see that. */
static pid_t keeper_of(pid_t pid)
{
        pid_t pids[16];
        int count = children_of(pid, pids, 16);

        while (count > 0 && !first_line_is(pids[count - 1], "comm", "plait-keeper"))
                count--;
        return count > 0 ? pids[count - 1] : 0;
}

static pid_t server_of(pid_t pid)
{
        pid_t above = PLAIT__SPAWN_HIDES ? keeper_of(pid) : pid, server;

        return above && children_of(above, &server, 1) == 1 && first_line_is(server, "cmdline", "plait-worker") ? server : 0;
}

static int slow_add(void *arg)
{
        int rc = plait_sleep(2 * PLAIT_MS);

        ++*(int *)arg;
        return rc;
}

TEST(the_death_of_the_fork_server_is_survived)
{
        int numbers[40] = {0}, done = 0, dead = 0;
        plait_task *tasks[40];
        PLAIT_GROUP(group, .executor = plait_processes(), .keep_going = true);

        for (int i = 0; i < 40; i++)
                tasks[i] = plait_group_start(&group, slow_add, &numbers[i], sizeof numbers[i]);
        CHECK_EQUAL(plait_sleep(10 * PLAIT_MS), 0);
        for (int i = 0; i < 5; i++) {
                pid_t server = server_of(getpid());

                if (server)
                        kill(server, SIGKILL);
                CHECK_EQUAL(plait_sleep(4 * PLAIT_MS), 0);
        }
        for (int i = 0; i < 40; i++) {
                int result;

                CHECK_EQUAL(plait_task_wait(tasks[i], &result), 0);
                done += result == 0 && numbers[i] == 1;
                dead += result == -EOWNERDEAD && numbers[i] == 0;
        }
        CHECK_EQUAL(done + dead, 40);
        CHECK(done > 0);
        plait_ignore(plait_group_wait(&group));
}

/* The server of a keeper that has died ends when it is needed next, and the pool gets another. */
TEST(the_death_of_the_keeper_is_survived)
{
        int number = 1;

        if (!PLAIT__SPAWN_HIDES)
                SKIP("the thread sanitizer takes a clone() that shares memory for a fork()");
        CHECK_EQUAL(plait_call(plait_own_process(), add_one, &number, sizeof number), 0);
        CHECK(keeper_of(getpid()));
        kill(keeper_of(getpid()), SIGKILL);
        CHECK_EQUAL(plait_call(plait_own_process(), add_one, &number, sizeof number), 0);
        CHECK_EQUAL(number, 3);
}

/* Until the process, which need not be a child of this one, has ended. */
static void wait_for_death(pid_t pid)
{
        struct pollfd end = {.fd = (int)plait__sys.pidfd_open(pid, 0), .events = POLLIN};

        if (end.fd < 0) {
                CHECK_EQUAL(end.fd, -ESRCH);    /* it is gone, and reaped */
                return;
        }
        CHECK_EQUAL(poll(&end, 1, 10000), 1);
        close(end.fd);
}

struct killer { _Atomic bool stop; int kills; };

static void *kill_workers(void *arg)
{
        struct killer *killer = arg;
        pid_t pids[16];
        unsigned seed = 1;

        while (!killer->stop) {
                pid_t server = server_of(getpid());
                int count = server ? children_of(server, pids, 16) : 0;

                pid_t victim;

                if (!count)
                        continue;
                seed = seed * 1103515245 + 12345;
                victim = pids[(seed >> 16) % (unsigned)count];
                if (kill(victim, SIGKILL) < 0)
                        continue;
                killer->kills++;
                wait_for_death(victim);
        }
        return NULL;
}

struct item { int of, is; };

static int double_slowly(void *arg)
{
        struct item *item = arg;

        for (volatile int i = 0; i < 2000; i++)
                ;
        item->is = item->of * 2 + 1;
        return 0;
}

/* Every item of a map has one outcome while its workers are killed all the time. */
static void map_under_fire(size_t chunk, unsigned retries)
{
        enum { COUNT = 100000 };
        static struct item items[COUNT];
        static int results[COUNT], statuses[COUNT];
        struct killer killer = {false, 0};
        int ok = 0, dead = 0;
        pthread_t thread;
        plait_map_options options = {.executor = plait_processes(), .chunk = chunk, .keep_going = true, .results = results,
                                     .statuses = statuses, .retries = retries};

        for (int i = 0; i < COUNT; i++)
                items[i] = (struct item){i, -7};
        CHECK_EQUAL(pthread_create(&thread, NULL, kill_workers, &killer), 0);
        int rc = plait_map_with(&options, double_slowly, items, COUNT, sizeof items[0]);

        killer.stop = true;
        pthread_join(thread, NULL);
        for (int i = 0; i < COUNT; i++) {
                if (results[i] == 0)
                        ok += items[i].is == i * 2 + 1 && statuses[i] == 0;
                else
                        dead += results[i] == -EOWNERDEAD && items[i].is == -7 && statuses[i] == SIGKILL;
        }
        test_note("%d kills, %d ok, %d dead", killer.kills, ok, dead);
        CHECK_EQUAL(ok + dead, COUNT);
        CHECK_EQUAL(rc, dead ? -EOWNERDEAD : 0);
        CHECK(dead <= killer.kills);
}

TEST(no_item_is_lost_or_run_twice_when_workers_are_killed, .seconds = 60)
{
        map_under_fire(0, 0);
        map_under_fire(1, 0);
        map_under_fire(1000, 0);
}

TEST(an_item_may_be_tried_again_when_its_worker_dies, .seconds = 60)
{
        map_under_fire(0, 100);
}

/* ---- the parent */

static int tell_pid_and_hang(void *arg)
{
        int fd = *(int *)arg;
        pid_t pid = getpid();

        (void)fd;
        if (write(1, &pid, sizeof pid) < 0)
                return -errno;
        for (;;)
                pause();
}

/* A program with a busy worker is killed; nothing of it is left. The child is this program, forked before plait is used. */
TEST(nothing_is_left_when_the_program_is_killed, .once = true)
{
        int ends[2];
        pid_t child, worker, server;

        CHECK_EQUAL(pipe(ends), 0);
        child = fork();
        if (child == 0) {
                int number = 0;

                test_forked();
                dup2(ends[1], 1);
                plait_ignore(plait_call(plait_processes(), tell_pid_and_hang, &number, sizeof number));
                _exit(1);
        }
        close(ends[1]);
        CHECK_EQUAL(read(ends[0], &worker, sizeof worker), sizeof worker);
        close(ends[0]);
        server = server_of(child);
        CHECK(server);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        wait_for_death(worker);
        wait_for_death(server);
}
