/* Simulation: what a seed decides, what it finds, and that it leaves nothing behind. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "sim/sim.h"
#include "tasks.h"

enum { SEEDS = 300 / TEST_SLOWER };

/* ---- the call itself */

static int return_arg(void *arg)
{
        return *(int *)arg;
}

TEST(the_function_s_result_is_the_simulation_s)
{
        int results[] = {0, 7, -EIO};

        for (size_t i = 0; i < 3; i++)
                CHECK_EQUAL(plait_simulate(NULL, return_arg, &results[i]), results[i]);
}

static int sleep_an_hour(void *arg)
{
        plait_time began = plait_now();

        (void)arg;
        CHECK_EQUAL(plait_sleep(3600 * PLAIT_S), 0);
        return plait_now() - began == 3600 * PLAIT_S ? 0 : -EIO;
}

TEST(an_hour_takes_no_time)
{
        struct timespec began, ended;

        clock_gettime(CLOCK_MONOTONIC, &began);
        for (int i = 0; i < 100; i++)
                CHECK_EQUAL(plait_simulate(NULL, sleep_an_hour, NULL), 0);
        clock_gettime(CLOCK_MONOTONIC, &ended);
        CHECK(ended.tv_sec - began.tv_sec < 10);
}

static int simulate_inside(void *arg)
{
        return plait_simulate(NULL, sleep_an_hour, arg);
}

TEST(one_inside_another_is_refused)
{
        CHECK_EQUAL(plait_simulate(NULL, simulate_inside, NULL), -EBUSY);
}

TEST(what_makes_no_sense_is_refused)
{
        CHECK_EQUAL(plait_simulate(NULL, NULL, NULL), -EINVAL);
        CHECK_EQUAL(plait_simulate(&(plait_simulation){.fault_rate = -0.1}, sleep_an_hour, NULL), -EINVAL);
        CHECK_EQUAL(plait_simulate(&(plait_simulation){.fault_rate = 1.1}, sleep_an_hour, NULL), -EINVAL);
        CHECK_EQUAL(plait_simulate(&(plait_simulation){.policy = (plait_policy)7}, sleep_an_hour, NULL), -EINVAL);
        CHECK_EQUAL(plait_simulate(&(plait_simulation){.depth = 17}, sleep_an_hour, NULL), -EINVAL);
}

static int is_simulated(void *arg)
{
        uint64_t seed = 0;

        (void)arg;
        return plait_simulated(&seed) && plait_simulated(NULL) && seed == 42 ? 0 : -EIO;
}

TEST(the_seed_can_be_asked_for_inside)
{
        CHECK(!plait_simulated(NULL));
        CHECK_EQUAL(plait_simulate(&(plait_simulation){.seed = 42}, is_simulated, NULL), 0);
        CHECK(!plait_simulated(NULL));
}

TEST(afterwards_all_is_as_it_was)
{
        struct plait__sys before = plait__sys;
        plait_time began = plait_now();

        errno = 5;
        CHECK_EQUAL(plait_simulate(&(plait_simulation){.fault_rate = 0.5}, sleep_an_hour, NULL), 0);
        CHECK_EQUAL(errno, 5);
        CHECK(memcmp(&before, &plait__sys, sizeof before) == 0);
        CHECK(plait_now() >= began && plait_now() - began < 600 * PLAIT_S);
        CHECK_EQUAL(plait_yield(), 0);
}

static int simulate_on_a_coroutine(void *arg)
{
        CHECK_EQUAL(plait_yield(), 0);
        CHECK_EQUAL(plait_simulate(NULL, sleep_an_hour, NULL), 0);
        CHECK_EQUAL(plait_yield(), 0);
        ++*(int *)arg;
        return 0;
}

TEST_ON_EXECUTORS(any_strand_may_simulate_and_several_at_once)
{
        int counts[3] = {0};
        PLAIT_GROUP(group, .executor = test_executor());

        for (int i = 0; i < 3; i++)
                plait_group_start(&group, simulate_on_a_coroutine, &counts[i], sizeof counts[i]);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        for (int i = 0; i < 3; i++)
                CHECK_EQUAL(counts[i], 1);
}

static int block_for_real(void *arg)
{
        (void)arg;
        return (int)plait__sys.ppoll(NULL, 0, NULL);
}

TEST_ABORTS(a_call_that_would_block_for_real_names_itself, "ppoll would block the thread for real inside a simulation")
{
        plait_simulate(NULL, block_for_real, NULL);
}

static void *do_nothing(void *arg)
{
        return arg;
}

static int start_for_real(void *arg)
{
        return plait__sys.thread_start(do_nothing, arg, 0);
}

TEST_ABORTS(no_real_thread_is_started, "a real thread would be started inside a simulation")
{
        plait_simulate(NULL, start_for_real, NULL);
}

/* ---- orders */

static char order[32];

static int write_letter(void *arg)
{
        for (int i = 0; i < 2; i++) {
                order[strlen(order)] = *(char *)arg;
                plait_ignore(plait_yield());
        }
        return 0;
}

static int write_letters(void *arg)
{
        char letters[] = {'a', 'b', 'c', 'd'};

        memset(order, 0, sizeof order);
        PLAIT_GROUP(group, .executor = arg);
        for (size_t i = 0; i < sizeof letters; i++)
                plait_group_start(&group, write_letter, &letters[i], sizeof letters[i]);
        return plait_group_wait(&group);
}

static unsigned count_orders(plait_executor *executor, plait_policy policy)
{
        static char seen[SEEDS][32];
        unsigned count = 0, i;

        for (uint64_t seed = 0; seed < SEEDS; seed++) {
                CHECK_EQUAL(
                        plait_simulate(&(plait_simulation){.seed = seed, .policy = policy}, write_letters, executor),
                        0);
                CHECK_EQUAL(strlen(order), 8);
                for (i = 0; i < count && strcmp(seen[i], order); i++)
                        continue;
                if (i == count)
                        strcpy(seen[count++], order);
        }
        return count;
}

TEST_ON_ALL_EXECUTORS(other_seeds_give_other_orders)
{
        CHECK(count_orders(test_executor(), PLAIT_UNIFORM) > 30);
        CHECK(count_orders(test_executor(), PLAIT_BY_PRIORITY) > 3);
}

TEST_ON_ALL_EXECUTORS(the_same_seed_does_the_same_again)
{
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
                uint64_t hashes[2], steps[2];
                char first[32];

                for (int i = 0; i < 2; i++) {
                        plait_simulation simulation = {.seed = seed, .ret_hash = &hashes[i], .ret_steps = &steps[i]};

                        CHECK_EQUAL(plait_simulate(&simulation, write_letters, test_executor()), 0);
                        if (i == 0)
                                strcpy(first, order);
                }
                CHECK(strcmp(first, order) == 0);
                CHECK(hashes[0] == hashes[1]);
                CHECK(steps[0] == steps[1]);
        }
}

TEST(other_seeds_have_other_hashes)
{
        uint64_t one, other;

        CHECK_EQUAL(plait_simulate(&(plait_simulation){.seed = 1, .ret_hash = &one}, write_letters, plait_threads()),
                    0);
        CHECK_EQUAL(plait_simulate(&(plait_simulation){.seed = 2, .ret_hash = &other}, write_letters, plait_threads()),
                    0);
        CHECK(one != other);
}

static int starts_in_order(void *arg)
{
        char letters[] = "01234";

        (void)arg;
        PLAIT_GROUP(group, .executor = plait_coroutines());
        for (int i = 0; i < 5; i++)
                plait_group_start(&group, write_letter, &letters[i], 1);
        return plait_group_wait(&group);
}

TEST(coroutines_of_a_thread_begin_in_the_order_they_were_started)
{
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
                memset(order, 0, sizeof order);
                CHECK_EQUAL(plait_simulate(&(plait_simulation){.seed = seed}, starts_in_order, NULL), 0);
                for (char letter = '0'; letter < '4'; letter++)
                        CHECK(strchr(order, letter) < strchr(order, letter + 1));
        }
}

/* ---- what it finds */

static struct {
        plait_executor *executor;
        bool locked;                            /* the negative control */
        bool waits;                             /* between reading and writing */
        plait_lock lock;
        int count;
} shared;

static int add_one(void *arg)
{
        int count;

        (void)arg;
        if (shared.locked)
                plait_lock_acquire(&shared.lock);
        count = shared.count;
        if (shared.waits)
                plait_ignore(plait_yield());
        else
                plait_ignore(plait_cancelled());        /* any call of plait: there a thread may be interrupted */
        shared.count = count + 1;
        if (shared.locked)
                plait_lock_release(&shared.lock);
        return 0;
}

static int add_three(void *arg)
{
        int rc;

        (void)arg;
        shared.count = 0;
        shared.lock = (plait_lock){{0}};
        PLAIT_GROUP(group, .executor = shared.executor);
        for (int i = 0; i < 3; i++)
                plait_group_start(&group, add_one, NULL, 0);
        rc = plait_group_wait(&group);
        return rc < 0 ? rc : shared.count == 3 ? 0 : -EBADMSG;
}

static int find(plait_executor *executor, bool locked, bool waits, plait_policy policy)
{
        plait_simulation simulation = {.policy = policy};

        shared.executor = executor;
        shared.locked = locked;
        shared.waits = waits;
        return plait_simulate_many(&simulation, policy == PLAIT_BY_PRIORITY ? 10 * SEEDS : SEEDS, add_three, NULL, NULL);
}

TEST_ON_EXECUTORS(a_race_across_a_wait_is_found_and_not_if_it_is_locked)
{
        CHECK_EQUAL(find(test_executor(), false, true, PLAIT_UNIFORM), -EBADMSG);
        CHECK_EQUAL(find(test_executor(), false, true, PLAIT_BY_PRIORITY), -EBADMSG);
        CHECK_EQUAL(find(test_executor(), true, true, PLAIT_BY_SEED), 0);
}

TEST(threads_are_interrupted_anywhere_and_coroutines_only_where_they_wait)
{
        CHECK_EQUAL(find(plait_threads(), false, false, PLAIT_UNIFORM), -EBADMSG);
        CHECK_EQUAL(find(plait_own_thread(), false, false, PLAIT_BY_PRIORITY), -EBADMSG);
        CHECK_EQUAL(find(plait_threads(), true, false, PLAIT_BY_SEED), 0);
        CHECK_EQUAL(find(plait_coroutines(), false, false, PLAIT_BY_SEED), 0);
}

static struct {
        plait_queue *queue;
        plait_event filled;
        bool careful;                           /* the negative control */
} channel;

/* Looks, clears, waits: what comes between looking and clearing is lost. */
static int take_one(void *arg)
{
        int item, rc;

        (void)arg;
        while ((rc = plait_queue_try_get(channel.queue, &item)) == -EAGAIN) {
                plait_event_clear(&channel.filled);
                if (channel.careful && plait_queue_size(channel.queue))
                        continue;
                rc = plait_event_wait(&channel.filled);
                if (rc < 0)
                        return rc;
        }
        return rc;
}

static int give_one(void *arg)
{
        int item = 1, rc = plait_queue_try_put(channel.queue, &item);

        (void)arg;
        plait_event_set(&channel.filled);
        return rc;
}

static int give_and_take(void *arg)
{
        int rc;

        CHECK_EQUAL(plait_queue_new(&channel.queue, sizeof(int), 4, PLAIT_FIFO), 0);
        channel.filled = (plait_event){{0}};
        PLAIT_GROUP(group, .executor = arg);
        plait_group_start(&group, take_one, NULL, 0);
        plait_group_start(&group, give_one, NULL, 0);
        rc = plait_group_wait(&group);
        plait_queue_free(channel.queue);
        return rc;
}

TEST(a_lost_wake_up_is_found_as_a_deadlock)
{
        channel.careful = false;
        CHECK_EQUAL(plait_simulate_many(NULL, SEEDS, give_and_take, plait_threads(), NULL), -EDEADLK);
        channel.careful = true;
        CHECK_EQUAL(plait_simulate_many(NULL, SEEDS, give_and_take, plait_threads(), NULL), 0);
}

static plait_lock left, right;

static int left_then_right(void *arg)
{
        (void)arg;
        plait_lock_acquire(&left);
        plait_lock_acquire(&right);
        plait_lock_release(&right);
        plait_lock_release(&left);
        return 0;
}

static int right_then_left(void *arg)
{
        (void)arg;
        plait_lock_acquire(&right);
        plait_lock_acquire(&left);
        plait_lock_release(&left);
        plait_lock_release(&right);
        return 0;
}

static int cross(void *arg)
{
        left = right = (plait_lock){{0}};
        PLAIT_GROUP(group, .executor = arg, .name = "crossing");
        plait_group_start(&group, left_then_right, NULL, 0);
        plait_group_start(&group, right_then_left, NULL, 0);
        return plait_group_wait(&group);
}

/* Nobody can be made to return from this one: the strands are given up. */
TEST(a_deadlock_of_two_locks_is_found_and_told)
{
        char *text;
        size_t size;
        FILE *trace;
        plait_counterexample found;

        CHECK_EQUAL(plait_simulate_many(NULL, SEEDS, cross, plait_threads(), &found), -EDEADLK);
        trace = open_memstream(&text, &size);
        found.simulation.trace = trace;
        CHECK_EQUAL(plait_simulate(&found.simulation, cross, plait_threads()), -EDEADLK);
        fclose(trace);
        CHECK(strstr(text, "#1 root is left waiting for its group"));
        CHECK(strstr(text, "#2 crossing is left waiting for a lock"));
        CHECK(strstr(text, "#3 crossing is left waiting for a lock"));
        free(text);
}

static int wait_for_ever(void *arg)
{
        (void)arg;
        return plait_sleep(PLAIT_FOREVER);
}

TEST(a_sleep_that_nothing_ends_is_a_deadlock)
{
        CHECK_EQUAL(plait_simulate(NULL, wait_for_ever, NULL), -EDEADLK);
}

static int go_round_and_round(void *arg)
{
        plait_event never = {{0}};

        (void)arg;
        while (!plait_event_is_set(&never))
                continue;
        return 0;
}

TEST(one_that_never_ends_is_stopped)
{
        uint64_t steps;

        CHECK_EQUAL(
                plait_simulate(&(plait_simulation){.max_steps = 5000, .ret_steps = &steps}, go_round_and_round, NULL),
                -ELOOP);
        CHECK(steps > 5000 && steps < 50000);
}

static int set_soon(void *arg)
{
        plait_ignore(plait_sleep(PLAIT_MS));
        plait_event_set(arg);
        return 0;
}

static int spin_until_set(void *arg)
{
        plait_event event = {{0}};

        PLAIT_GROUP(group, .executor = arg);
        plait_group_start(&group, set_soon, &event, 0);
        while (!plait_event_is_set(&event))
                continue;
        return plait_group_wait(&group);
}

TEST(one_that_spins_until_another_acts_does_not_hang)
{
        for (uint64_t seed = 0; seed < 20; seed++)
                CHECK_EQUAL(plait_simulate(&(plait_simulation){.seed = seed}, spin_until_set, plait_threads()), 0);
}

static int poll_the_clock(void *arg)
{
        plait_time end = plait_now() + PLAIT_MS;

        (void)arg;
        while (plait_now() < end)
                CHECK_EQUAL(plait_yield(), 0);
        return 0;
}

TEST(yielding_takes_time)
{
        CHECK_EQUAL(plait_simulate(NULL, poll_the_clock, NULL), 0);
}

/* ---- everything inside */

struct sum { int from, to; long is; };

static int add_up(void *arg)
{
        struct sum *sum = arg;

        for (int i = sum->from; i < sum->to; i++)
                sum->is += i;
        return plait_sleep(PLAIT_MS);
}

static int add_up_in_parts(void *arg)
{
        struct sum sums[10];

        for (int i = 0; i < 10; i++)
                sums[i] = (struct sum){i * 10, i * 10 + 10, 0};
        PLAIT_GROUP(group, .executor = arg, .within = 3600 * PLAIT_S);
        for (int i = 0; i < 10; i++)
                plait_group_start(&group, add_up, &sums[i], sizeof sums[i]);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        for (int i = 1; i < 10; i++)
                sums[0].is += sums[i].is;
        return sums[0].is == 4950 ? 0 : -EBADMSG;
}

TEST_ON_ALL_EXECUTORS(tasks_run_and_their_structs_come_back)
{
        CHECK_EQUAL(plait_simulate_many(NULL, SEEDS, add_up_in_parts, test_executor(), NULL), 0);
}

static int map_in_parts(void *arg)
{
        struct sum sums[10];
        int results[10], total = 0;
        plait_map_options options = {.executor = arg, .results = results};

        for (int i = 0; i < 10; i++)
                sums[i] = (struct sum){i, i + 1, 0};
        CHECK_EQUAL(plait_map_with(&options, add_up, sums, 10, sizeof sums[0]), 0);
        for (int i = 0; i < 10; i++)
                total += sums[i].is == i && results[i] == 0;
        return total == 10 ? 0 : -EBADMSG;
}

TEST_ON_ALL_EXECUTORS(maps_run)
{
        CHECK_EQUAL(plait_simulate_many(NULL, SEEDS, map_in_parts, test_executor(), NULL), 0);
}

struct nest { int depth, count; };

static int nest(void *arg)
{
        static plait_executor *(*const executors[])(void) = {plait_coroutines, plait_threads, plait_own_thread,
                                                             plait_processes, plait_own_process};
        struct nest *nested = arg;
        struct nest inner[3];
        int rc;

        nested->count = 1;
        if (nested->depth == 0)
                return plait_yield();
        PLAIT_GROUP(group, .executor = executors[nested->depth % 5]());
        for (int i = 0; i < 3; i++) {
                inner[i] = (struct nest){nested->depth - 1, 0};
                plait_group_start(&group, nest, &inner[i], sizeof inner[i]);
        }
        rc = plait_group_wait(&group);
        if (rc == 0)
                rc = plait_map(executors[(nested->depth + 3) % 5](), nest, inner, 3, sizeof inner[0]);
        for (int i = 0; i < 3; i++)
                nested->count += inner[i].count;
        return rc;
}

static int nest_four(void *arg)
{
        struct nest nested = {4, 0};
        int rc = nest(&nested);

        (void)arg;
        return rc < 0 ? rc : nested.count == 121 ? 0 : -EBADMSG;
}

TEST(groups_and_maps_on_all_executors_nest)
{
        CHECK_EQUAL(plait_simulate_many(NULL, 30, nest_four, NULL, NULL), 0);
}

static int outlive_the_deadline(void *arg)
{
        plait_time began = plait_now();
        int rc;

        PLAIT_GROUP(group, .executor = arg, .within = 7 * PLAIT_S);
        plait_group_start(&group, task_wait, NULL, 0);
        plait_group_start(&group, task_wait, NULL, 0);
        rc = plait_group_wait(&group);
        return rc == -ETIMEDOUT && plait_now() - began >= 7 * PLAIT_S && plait_now() - began < 8 * PLAIT_S ? 0
                                                                                                           : -EBADMSG;
}

TEST_ON_ALL_EXECUTORS(deadlines_are_virtual)
{
        CHECK_EQUAL(plait_simulate_many(NULL, SEEDS, outlive_the_deadline, test_executor(), NULL), 0);
}

static int computing, computing_most;

static int compute(void *arg)
{
        (void)arg;
        computing++;
        if (computing > computing_most)
                computing_most = computing;
        for (int i = 0; i < 5; i++)
                plait_ignore(plait_cancelled());
        computing--;
        return plait_sleep(PLAIT_S);
}

static int compute_on_two(void *arg)
{
        plait_executor *executor;
        plait_time began = plait_now();

        (void)arg;
        computing = computing_most = 0;
        CHECK_EQUAL(plait_executor_open(&executor, &(plait_executor_options){.kind = PLAIT_THREADS, .workers = 2}), 0);
        PLAIT_GROUP(group, .executor = executor);
        for (int i = 0; i < 8; i++)
                plait_group_start(&group, compute, NULL, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK(plait_now() - began < 2 * PLAIT_S);       /* who sleeps has given up its place */
        CHECK_EQUAL(plait_executor_close(executor), 0);
        return computing_most == 2 ? -EEXIST : computing_most > 2 ? -EBADMSG : 0;
}

TEST(a_pool_s_workers_bound_those_that_compute)
{
        bool two = false;

        for (uint64_t seed = 0; seed < SEEDS; seed++) {
                int rc = plait_simulate(&(plait_simulation){.seed = seed}, compute_on_two, NULL);

                CHECK(rc == 0 || rc == -EEXIST);
                two |= rc == -EEXIST;
        }
        CHECK(two);
}

static int initialized;

static int count_initialization(void *arg)
{
        initialized += *(int *)arg;
        return 0;
}

static int run_initialized(void *arg)
{
        plait_executor *executor;
        plait_executor_options options = {.kind = *(plait_kind *)arg, .workers = 2, .initializer = count_initialization,
                                          .initializer_arg = &(int){10}, .initializer_arg_size = sizeof(int)};
        struct sum sums[6] = {{0, 1, 0}};

        initialized = 0;
        CHECK_EQUAL(plait_executor_open(&executor, &options), 0);
        PLAIT_GROUP(group, .executor = executor);
        for (int i = 0; i < 6; i++)
                plait_group_start(&group, add_up, &sums[i], sizeof sums[i]);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(plait_executor_close(executor), 0);
        return initialized >= 10 && initialized <= (options.kind == PLAIT_PROCESSES ? 20 : 60) ? 0 : -EBADMSG;
}

TEST(each_worker_runs_the_initializer_once)
{
        CHECK_EQUAL(plait_simulate_many(NULL, SEEDS, run_initialized, &(plait_kind){PLAIT_THREADS}, NULL), 0);
        CHECK_EQUAL(plait_simulate_many(NULL, SEEDS, run_initialized, &(plait_kind){PLAIT_PROCESSES}, NULL), 0);
}

static int add_under_gil(void *arg)
{
        for (int i = 0; i < 3; i++) {
                int count = *(int *)arg;

                plait_ignore(plait_cancelled());
                *(int *)arg = count + 1;
                plait_gil_checkpoint(NULL);
        }
        return 0;
}

static int run_under_gil(void *arg)
{
        plait_gil gil = {0};
        plait_executor *executor;
        int count = 0;

        (void)arg;
        CHECK_EQUAL(plait_executor_open(&executor,
                                        &(plait_executor_options){.kind = PLAIT_THREADS, .workers = 3, .gil = &gil}),
                    0);
        PLAIT_GROUP(group, .executor = executor);
        for (int i = 0; i < 3; i++)
                plait_group_start(&group, add_under_gil, &count, sizeof count);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(plait_executor_close(executor), 0);
        return count == 9 ? 0 : -EBADMSG;
}

TEST(a_pool_s_gil_is_held)
{
        CHECK_EQUAL(plait_simulate_many(NULL, SEEDS, run_under_gil, NULL, NULL), 0);
}

/* ---- processes */

static int change_and_yield(void *arg)
{
        ++*(int *)arg;
        return plait_yield();
}

/* Returns how many died, having checked that nothing else went wrong. */
static int let_some_die(void *arg)
{
        int values[8], died = 0;
        plait_task *tasks[8];

        for (int i = 0; i < 8; i++)
                values[i] = i;
        PLAIT_GROUP(group, .executor = arg, .keep_going = true);
        for (int i = 0; i < 8; i++)
                tasks[i] = plait_group_start(&group, change_and_yield, &values[i], sizeof values[i]);
        for (plait_task *task; plait_group_next(&group, &task) == 0;)
                continue;
        for (int i = 0; i < 8; i++) {
                int result = plait_task_result(tasks[i]);

                if (result == -EOWNERDEAD) {
                        CHECK_EQUAL(plait_task_status(tasks[i]), 9);
                        CHECK(plait_task_pid(tasks[i]) > 0);
                        died++;
                } else if (result < 0) {
                        CHECK(result == -EAGAIN || result == -ENOMEM);
                }
                CHECK_EQUAL(values[i], result < 0 ? i : i + 1);
        }
        plait_ignore(plait_group_wait(&group));
        return died;
}

TEST(a_process_that_dies_leaves_its_struct_as_it_was)
{
        plait_executor *executors[] = {plait_processes(), plait_own_process()};
        int died = 0;

        for (uint64_t seed = 0; seed < SEEDS; seed++) {
                int rc = plait_simulate(&(plait_simulation){.seed = seed, .fault_rate = 0.05}, let_some_die,
                                        executors[seed % 2]);

                CHECK(rc >= 0);
                died += rc;
        }
        CHECK(died > SEEDS / 3 && died < SEEDS * 5);
}

static int map_with_retries(void *arg)
{
        int values[20], statuses[20];
        plait_map_options options = {
                .executor = plait_processes(), .retries = *(unsigned *)arg, .statuses = statuses, .chunk = 3};
        plait_failure failure;
        int rc;

        options.failure = &failure;
        for (int i = 0; i < 20; i++)
                values[i] = i;
        rc = plait_map_with(&options, change_and_yield, values, 20, sizeof values[0]);
        for (int i = 0; i < 20; i++)
                CHECK_EQUAL(values[i], rc == 0 ? i + 1 : values[i] == i ? i : i + 1);
        if (rc == -EOWNERDEAD) {
                CHECK_EQUAL(failure.status, 9);
                CHECK_EQUAL(statuses[(int *)failure.arg - values], 9);
        }
        return rc == -EAGAIN || rc == -ENOMEM ? 0 : rc;
}

TEST(a_map_runs_an_item_again_whose_worker_died)
{
        plait_simulation simulation = {.fault_rate = 0.02};

        CHECK_EQUAL(plait_simulate_many(&simulation, SEEDS, map_with_retries, &(unsigned){0}, NULL), -EOWNERDEAD);
        CHECK_EQUAL(plait_simulate_many(&simulation, SEEDS, map_with_retries, &(unsigned){20}, NULL), 0);
}

static int ignore_all(void *arg)
{
        for (++*(int *)arg; *(int *)arg;)
                plait_ignore(plait_sleep(PLAIT_S));
        return 0;
}

static int kill_late(void *arg)
{
        int value = 5, rc;
        plait_time began = plait_now();
        plait_task *task;

        PLAIT_GROUP(group, .executor = arg, .within = PLAIT_S, .kill_after = 2 * PLAIT_S);
        task = plait_group_start(&group, ignore_all, &value, sizeof value);
        rc = plait_task_wait(task, NULL);
        CHECK_EQUAL(rc, -ETIMEDOUT);
        CHECK_EQUAL(plait_group_wait(&group), -ETIMEDOUT);
        CHECK(plait_now() - began >= 3 * PLAIT_S && plait_now() - began < 4 * PLAIT_S);
        return value == 5 ? 0 : -EBADMSG;
}

static int kill_now(void *arg)
{
        int value = 5, result = 0;
        plait_task *task;

        PLAIT_GROUP(group, .executor = arg);
        task = plait_group_start(&group, ignore_all, &value, sizeof value);
        CHECK_EQUAL(plait_sleep(PLAIT_S / 2), 0);
        CHECK_EQUAL(plait_task_kill(task), 0);
        CHECK_EQUAL(plait_task_wait(task, &result), 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        return result == -ECANCELED && value == 5 ? 0 : -EBADMSG;
}

TEST(a_process_is_killed_when_plait_would)
{
        plait_executor *executors[] = {plait_processes(), plait_own_process()};

        for (int i = 0; i < 2; i++) {
                CHECK_EQUAL(plait_simulate_many(NULL, 50, kill_late, executors[i], NULL), 0);
                CHECK_EQUAL(plait_simulate_many(NULL, 50, kill_now, executors[i], NULL), 0);
        }
}

static int wait_long(void *arg)
{
        ++*(int *)arg;
        PLAIT_SHIELD(2 * PLAIT_S);
        return plait_sleep(3600 * PLAIT_S);
}

static int leave_it(void *arg)
{
        int value = 0, rc;

        {
                PLAIT_WITHIN(PLAIT_S);
                rc = plait_call_or_leave(arg, wait_long, &value, sizeof value);
        }
        CHECK_EQUAL(rc, -ETIMEDOUT);
        CHECK_EQUAL(value, 0);
        CHECK_EQUAL(plait_call_or_leave(arg, change_and_yield, &value, sizeof value), 0);
        return rc == -ETIMEDOUT && value == 1 ? 0 : -EBADMSG;
}

TEST(a_call_is_left_at_its_deadline)
{
        CHECK_EQUAL(plait_simulate_many(NULL, 50, leave_it, plait_own_thread(), NULL), 0);
        CHECK_EQUAL(plait_simulate_many(NULL, 50, leave_it, plait_own_process(), NULL), 0);
}

/* ---- descriptors */

enum { STREAM_BYTES = 20000 };

struct end { int fd; size_t calls; bool closes; };

static int send_all(void *arg)
{
        struct end *end = arg;
        unsigned char bytes[997];
        size_t sent = 0, i;

        while (sent < STREAM_BYTES) {
                size_t want = STREAM_BYTES - sent < sizeof bytes ? STREAM_BYTES - sent : sizeof bytes;
                ssize_t n;

                for (i = 0; i < want; i++)
                        bytes[i] = (unsigned char)((sent + i) % 251);
                n = plait_write(end->fd, bytes, want);
                if (n < 0) {
                        plait_ignore(plait_close(end->fd));
                        return (int)n;
                }
                sent += (size_t)n;
                end->calls++;
        }
        return plait_close(end->fd);
}

static int receive_all(void *arg)
{
        struct end *end = arg;
        unsigned char bytes[997];
        size_t got = 0;
        ssize_t n, i;

        while ((n = plait_read(end->fd, bytes, sizeof bytes)) > 0) {
                for (i = 0; i < n; i++)
                        if (bytes[i] != (got + (size_t)i) % 251)
                                return -EBADMSG;
                got += (size_t)n;
                end->calls++;
        }
        plait_ignore(plait_close(end->fd));
        return n < 0 ? (int)n : got == STREAM_BYTES ? 0 : -ENODATA;
}

static size_t calls_least, calls_most;

static int transfer(int from, int to, plait_executor *executor)
{
        struct end ends[] = {{.fd = from}, {.fd = to}};
        int rc;

        {
                PLAIT_GROUP(group, .executor = executor, .keep_going = true);
                plait_group_start(&group, send_all, &ends[0], sizeof ends[0]);
                plait_group_start(&group, receive_all, &ends[1], sizeof ends[1]);
                rc = plait_group_wait(&group);
        }
        if (ends[1].calls < calls_least)
                calls_least = ends[1].calls;
        if (ends[1].calls > calls_most)
                calls_most = ends[1].calls;
        return rc;
}

static int through_a_pipe(void *arg)
{
        int fds[2];

        CHECK_EQUAL(pipe2(fds, O_CLOEXEC), 0);
        return transfer(fds[1], fds[0], arg);
}

static int through_a_socket(void *arg)
{
        int fds[2];

        CHECK_EQUAL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        return transfer(fds[1], fds[0], arg);
}

TEST_ON_EXECUTORS(bytes_arrive_in_pieces_and_in_order)
{
        plait_fn *const ways[] = {through_a_pipe, through_a_socket};

        for (int i = 0; i < 2; i++) {
                calls_least = SIZE_MAX;
                calls_most = 0;
                CHECK_EQUAL(plait_simulate_many(NULL, SEEDS / 3, ways[i], test_executor(), NULL), 0);
                CHECK(calls_most > STREAM_BYTES / 997 + 5);     /* there were short reads */
                CHECK(calls_least < calls_most);
        }
}

TEST(a_transfer_does_the_same_again)
{
        for (uint64_t seed = 0; seed < 50; seed++) {
                uint64_t hashes[2];

                for (int i = 0; i < 2; i++) {
                        plait_simulation simulation = {.seed = seed, .fault_rate = 0.001, .ret_hash = &hashes[i]};

                        plait_ignore(plait_simulate(&simulation, through_a_socket, plait_threads()));
                }
                CHECK(hashes[0] == hashes[1]);
        }
}

TEST(connections_are_reset_at_the_fault_rate)
{
        int reset = 0;

        for (uint64_t seed = 0; seed < SEEDS; seed++) {
                int rc = plait_simulate(&(plait_simulation){.seed = seed, .fault_rate = 0.01}, through_a_socket,
                                        plait_coroutines());

                CHECK(rc != -EBADMSG && rc != -EDEADLK && rc != -ELOOP);
                reset += rc == -ECONNRESET || rc == -EPIPE || rc == -ENODATA;
        }
        CHECK(reset > SEEDS / 15);
}

static int read_from_nobody(void *arg)
{
        int fds[2], rc;
        char byte;

        (void)arg;
        CHECK_EQUAL(pipe2(fds, O_CLOEXEC), 0);
        rc = (int)plait_read(fds[0], &byte, 1);
        close(fds[0]);
        close(fds[1]);
        return rc;
}

TEST(a_read_that_nothing_can_end_is_a_deadlock)
{
        CHECK_EQUAL(plait_simulate(NULL, read_from_nobody, NULL), -EDEADLK);
}

/* ---- faults */

static int make_queues(void *arg)
{
        int failed = 0;

        for (int i = 0; i < 100; i++) {
                plait_queue *queue;
                int rc = plait_queue_new(&queue, 4, 4, PLAIT_FIFO);

                CHECK(rc == 0 || rc == -ENOMEM);
                failed += rc < 0;
                if (rc == 0)
                        plait_queue_free(queue);
                plait_ignore(plait_yield());
        }
        *(int *)arg = failed;
        return 0;
}

TEST(memory_fails_at_the_fault_rate_and_not_once_healed)
{
        int failed;

        CHECK_EQUAL(plait_simulate(NULL, make_queues, &failed), 0);
        CHECK_EQUAL(failed, 0);
        CHECK_EQUAL(plait_simulate(&(plait_simulation){.fault_rate = 0.2}, make_queues, &failed), 0);
        CHECK(failed > 10 && failed < 70);
        CHECK_EQUAL(plait_simulate(&(plait_simulation){.fault_rate = 1}, make_queues, &failed), 0);
        CHECK_EQUAL(failed, 100);
        CHECK_EQUAL(plait_simulate(&(plait_simulation){.fault_rate = 1, .faults_until = 51}, make_queues, &failed), 0);
        CHECK_EQUAL(failed, 50);
}

/* ---- what plait's own tests use */

static int released;

static int hold_and_wait(void *arg)
{
        plait_event never = {{0}};
        int rc = plait_lock_acquire_or_cancel(arg);

        if (rc < 0)
                return rc;
        rc = plait_yield();
        plait_lock_release(arg);
        released++;
        if (rc == 0) {
                PLAIT_WITHIN(PLAIT_MS);
                plait_ignore(plait_event_wait(&never));
        }
        return rc;
}

static int hold_in_turn(void *arg)
{
        plait_lock lock = {{0}};
        int rc;

        released = 0;
        PLAIT_GROUP(group, .executor = arg);
        for (int i = 0; i < 3; i++)
                plait_group_start(&group, hold_and_wait, &lock, 0);
        rc = plait_group_wait(&group);
        CHECK(plait_lock_try(&lock));
        plait_lock_release(&lock);
        return rc;
}

TEST_ON_EXECUTORS(everything_can_be_cancelled_at_each_wait)
{
        uint64_t k, cancelled = 0;

        for (k = 1;; k++) {
                struct plait__experiment experiment = {.simulation = {.seed = k}, .cancel_at = k};
                int rc = plait__simulate(&experiment, hold_in_turn, test_executor());

                CHECK(rc == 0 || rc == -ECANCELED);
                CHECK_EQUAL(experiment.abandoned, 0);
                cancelled += rc == -ECANCELED;
                if (experiment.waits < k)
                        break;
        }
        CHECK(k > 10);
        CHECK(cancelled > 5);
}

/* ---- many seeds */

TEST(a_counterexample_is_made_small_and_replays)
{
        plait_counterexample found = {0};
        char text[128];

        shared.executor = plait_threads();
        shared.locked = false;
        shared.waits = true;
        CHECK_EQUAL(plait_simulate_many(&(plait_simulation){.fault_rate = 0.001}, SEEDS, add_three, NULL, &found),
                    -EBADMSG);
        CHECK_EQUAL(found.result, -EBADMSG);
        CHECK(found.simulation.fault_rate == 0);                /* it needs none */
        CHECK(found.simulation.choices_until > 0 && found.simulation.choices_until <= found.steps);
        CHECK_EQUAL(plait_simulate(&found.simulation, add_three, NULL), -EBADMSG);
        CHECK(strncmp(found.replay, "PLAIT_SEED=", 11) == 0);
        strcpy(text, found.replay + 11);
        setenv("PLAIT_SEED", text, 1);
        setenv("PLAIT_TRACE", "/dev/null", 1);
        CHECK_EQUAL(plait_simulate_many(NULL, SEEDS, add_three, NULL, &found), -EBADMSG);
        CHECK_EQUAL(found.tried, 1);
        setenv("PLAIT_SEED", "seven", 1);
        CHECK_EQUAL(plait_simulate_many(NULL, SEEDS, add_three, NULL, &found), -EINVAL);
        unsetenv("PLAIT_SEED");
        unsetenv("PLAIT_TRACE");
}

static int need_a_fault(void *arg)
{
        plait_queue *queue;

        (void)arg;
        for (int i = 0; i < 50; i++) {
                int rc = plait_queue_new(&queue, 4, 4, PLAIT_FIFO);

                if (rc < 0)
                        return i >= 10 ? -EBADMSG : 0;
                plait_queue_free(queue);
                plait_ignore(plait_yield());
        }
        return 0;
}

TEST(faults_that_are_needed_stay)
{
        plait_counterexample found;

        CHECK_EQUAL(plait_simulate_many(&(plait_simulation){.fault_rate = 0.01}, SEEDS, need_a_fault, NULL, &found),
                    -EBADMSG);
        CHECK(found.simulation.fault_rate > 0);
        CHECK(found.simulation.faults_until == 0 || found.simulation.faults_until > 11);
        CHECK_EQUAL(plait_simulate(&found.simulation, need_a_fault, NULL), -EBADMSG);
}
