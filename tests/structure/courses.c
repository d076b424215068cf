/* Simulations of all that the library has, each with its hash: courses.py builds this in several ways and compares. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <plait.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static plait_executor *(*const executors[])(void) = {plait_coroutines, plait_threads, plait_own_thread, plait_processes, plait_own_process};

struct item { int number; plait_lock *lock; plait_queue *queue; plait_event *event; int fds[2]; };

static int use_lock(void *arg)
{
        struct item *item = arg;

        for (int i = 0; i < 5; i++) {
                int rc = i % 2 ? plait_lock_acquire_or_cancel(item->lock) : (plait_lock_acquire(item->lock), 0);

                if (rc < 0)
                        return rc;
                plait_ignore(plait_yield());
                plait_lock_release(item->lock);
        }
        return 0;
}

static int use_queue(void *arg)
{
        struct item *item = arg;
        int rc = 0, number = item->number;

        for (int i = 0; i < 10 && rc == 0; i++)
                rc = item->number % 2 ? plait_queue_put(item->queue, &number) : plait_queue_get(item->queue, &number);
        if (item->number == 1)
                plait_queue_shutdown(item->queue, false);
        return rc == -EPIPE ? 0 : rc;
}

static int use_event(void *arg)
{
        struct item *item = arg;

        if (item->number == 3)
                plait_event_set(item->event);
        PLAIT_WITHIN(PLAIT_MS);
        return plait_event_wait(item->event) == -ETIMEDOUT ? 0 : plait_sleep(PLAIT_US * item->number);
}

static int use_descriptors(void *arg)
{
        struct item *item = arg;
        char bytes[400] = {0};
        ssize_t n = 0, done = 0;

        while (done < 2000) {
                n = item->number % 2 ? plait_write(item->fds[1], bytes, sizeof bytes) : plait_read(item->fds[0], bytes, sizeof bytes);
                if (n <= 0)
                        break;
                done += n;
        }
        if (item->number == 1)
                plait_ignore(plait_close(item->fds[1]));
        return n < 0 ? (int)n : 0;
}

static int use_executors(void *arg)
{
        struct item *item = arg, inner[3] = {{0}};

        if (item->number > 4)
                return plait_sleep(item->number * PLAIT_MS);
        for (int i = 0; i < 3; i++)
                inner[i].number = item->number + 2;
        return plait_map(executors[item->number](), use_executors, inner, 3, sizeof inner[0]);
}

static const struct scenario { plait_fn *fn; int executors, tasks; } scenarios[] = {
        {use_lock, 3, 4}, {use_queue, 3, 2}, {use_event, 3, 4}, {use_descriptors, 3, 2}, {use_executors, 5, 4},
};

struct course { const struct scenario *scenario; plait_executor *executor; int socket; };

static int run(void *arg)
{
        const struct course *course = arg;
        struct item items[4];
        plait_lock lock = {{0}};
        plait_event event = {{0}};
        plait_queue *queue;
        int fds[2], rc = plait_queue_new(&queue, sizeof(int), 2, PLAIT_FIFO);

        if (rc < 0)
                return rc;
        if ((course->socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : pipe(fds)) < 0)
                abort();
        {
                PLAIT_GROUP(group, .executor = course->executor, .within = PLAIT_S);
                for (int i = 0; i < course->scenario->tasks; i++) {
                        items[i] = (struct item){i, &lock, queue, &event, {fds[0], fds[1]}};
                        plait_group_start(&group, course->scenario->fn, &items[i], sizeof items[i]);
                }
                rc = plait_group_wait(&group);
        }
        plait_queue_free(queue);
        plait_ignore(plait_close(fds[0]));
        plait_ignore(plait_close(fds[1]));
        return rc;
}

int main(void)
{
        struct course course;
        uint64_t hash, steps;

        for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
                for (int executor = 0; executor < scenarios[i].executors; executor++) {
                        for (uint64_t seed = 0; seed < 20; seed++) {
                                plait_simulation simulation = {.seed = seed, .fault_rate = seed % 4 == 3 ? 0.01 : 0, .ret_hash = &hash,
                                                               .ret_steps = &steps};
                                int rc;

                                course = (struct course){&scenarios[i], executors[executor](), seed % 2};
                                rc = plait_simulate(&simulation, run, &course);
                                printf("%zu.%d.%" PRIu64 " %d %" PRIu64 " %016" PRIx64 "\n", i, executor, seed, rc, steps, hash);
                        }
                }
        }
        return 0;
}
