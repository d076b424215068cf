/* Locks, events, semaphores, futures, conditions, queues and select. */
#define _GNU_SOURCE
#include <plait.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bare.h"
#include "bench.h"

enum { PAIRS = 2000000, CONTENDED = 500000, TURNS = 20000, ITEMS = 2000000, CAPACITY = 1024 };

/* ---- a lock that is free, in a process of one thread. The floor: glibc's mutex, which then takes no locked instruction. */

static double lock_plait(void)
{
        static plait_lock lock;
        double start = bench_now();
        long i;

        for (i = 0; i < PAIRS; i++) {
                plait_lock_acquire(&lock);
                plait_lock_release(&lock);
        }
        return (bench_now() - start) / PAIRS;
}

static double lock_floor(void)
{
        static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        double start = bench_now();
        long i;

        for (i = 0; i < PAIRS; i++) {
                pthread_mutex_lock(&mutex);
                pthread_mutex_unlock(&mutex);
        }
        return (bench_now() - start) / PAIRS;
}

/* ---- the same beside a second thread, which sleeps. The floor: a futex mutex of one word, inline (after Drepper, "Futexes
 * are tricky", 2011): 0 free, 1 held, 2 held and awaited. */

static void *sleep_on(void *arg)
{
        (void)arg;
        for (;;)
                pause();
        return NULL;
}

static void second_thread(void)
{
        static pthread_t thread;

        if (!thread)
                BENCH_CHECK(pthread_create(&thread, NULL, sleep_on, NULL) == 0);
}

static void word_wait(_Atomic uint32_t *word)
{
        int i;

        for (i = 0; i < 100; i++) {
                uint32_t seen = 0;

                if (atomic_load_explicit(word, memory_order_relaxed) == 0 &&
                    atomic_compare_exchange_weak_explicit(word, &seen, 1, memory_order_acquire, memory_order_relaxed))
                        return;
        }
        while (atomic_exchange_explicit(word, 2, memory_order_acquire) != 0)
                syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

static inline void word_acquire(_Atomic uint32_t *word)
{
        uint32_t seen = 0;

        if (!atomic_compare_exchange_strong_explicit(word, &seen, 1, memory_order_acquire, memory_order_relaxed))
                word_wait(word);
}

static inline void word_release(_Atomic uint32_t *word)
{
        if (atomic_exchange_explicit(word, 0, memory_order_release) == 2)
                syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static double lock_threads_plait(void)
{
        second_thread();
        return lock_plait();
}

static double lock_threads_floor(void)
{
        static _Atomic uint32_t word;
        double start;
        long i;

        second_thread();
        start = bench_now();
        for (i = 0; i < PAIRS; i++) {
                word_acquire(&word);
                word_release(&word);
        }
        return (bench_now() - start) / PAIRS;
}

/* ---- an event that is set: set again, and waited for. The floor: a flag. */

static double event_plait(void)
{
        static plait_event event;
        double start;
        long i;

        second_thread();
        start = bench_now();
        for (i = 0; i < PAIRS; i++) {
                plait_event_set(&event);
                BENCH_CHECK(plait_event_wait(&event) == 0);
        }
        return (bench_now() - start) / PAIRS;
}

static double event_floor(void)
{
        static _Atomic uint32_t flag;
        double start;
        long i;

        second_thread();
        start = bench_now();
        for (i = 0; i < PAIRS; i++) {
                atomic_store_explicit(&flag, 1, memory_order_release);
                BENCH_CHECK(atomic_load_explicit(&flag, memory_order_acquire) == 1);
        }
        return (bench_now() - start) / PAIRS;
}

/* ---- a semaphore that has a place. The floor: a futex semaphore of a count and a number of waiters, inline, which barges. */

static struct { _Atomic uint32_t places, waiters; } bare_semaphore = {1, 0};

static void places_wait(void)
{
        atomic_fetch_add(&bare_semaphore.waiters, 1);
        syscall(SYS_futex, &bare_semaphore.places, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
        atomic_fetch_sub(&bare_semaphore.waiters, 1);
}

static inline void place_take(void)
{
        uint32_t seen = atomic_load_explicit(&bare_semaphore.places, memory_order_relaxed);

        for (;;) {
                while (seen) {
                        if (atomic_compare_exchange_weak_explicit(&bare_semaphore.places, &seen, seen - 1, memory_order_acquire,
                                                                  memory_order_relaxed))
                                return;
                }
                places_wait();
                seen = atomic_load_explicit(&bare_semaphore.places, memory_order_relaxed);
        }
}

static inline void place_give(void)
{
        atomic_fetch_add(&bare_semaphore.places, 1);
        if (atomic_load(&bare_semaphore.waiters))
                syscall(SYS_futex, &bare_semaphore.places, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static double semaphore_plait(void)
{
        static plait_semaphore semaphore = {.value = 1};
        double start;
        long i;

        second_thread();
        start = bench_now();
        for (i = 0; i < PAIRS; i++) {
                BENCH_CHECK(plait_semaphore_acquire(&semaphore) == 0);
                plait_semaphore_release(&semaphore, 1);
        }
        return (bench_now() - start) / PAIRS;
}

static double semaphore_floor(void)
{
        double start;
        long i;

        second_thread();
        start = bench_now();
        for (i = 0; i < PAIRS; i++) {
                place_take();
                place_give();
        }
        return (bench_now() - start) / PAIRS;
}

/* ---- a future: zeroed, set, and waited for. The floor: a result, a value and a flag. */

static double future_plait(void)
{
        double start;
        long i;

        second_thread();
        start = bench_now();
        for (i = 0; i < PAIRS; i++) {
                plait_future future = {{0}};
                void *value;
                int result;

                BENCH_CHECK(plait_future_set(&future, 1, &start) == 0);
                BENCH_CHECK(plait_future_wait(&future, &result, &value) == 0 && result == 1 && value == &start);
        }
        return (bench_now() - start) / PAIRS;
}

static double future_floor(void)
{
        static struct { _Atomic uint32_t settled; int result; void *value; } future;
        double start;
        long i;

        second_thread();
        start = bench_now();
        for (i = 0; i < PAIRS; i++) {
                uint32_t open = 0;

                atomic_store_explicit(&future.settled, 0, memory_order_relaxed);
                future.result = 1;
                future.value = &start;
                BENCH_CHECK(atomic_compare_exchange_strong_explicit(&future.settled, &open, 1, memory_order_release, memory_order_relaxed));
                BENCH_CHECK(atomic_load_explicit(&future.settled, memory_order_acquire) && future.result == 1 && future.value == &start);
        }
        return (bench_now() - start) / PAIRS;
}

/* ---- a queue on one loop: 8 bytes an item, one coroutine puts, another gets, room for 1024. The floor: a ring, and the bare
 * switch when it is full or empty. */

static int put_all(void *arg)
{
        plait_queue *queue = arg;
        uint64_t i;

        for (i = 0; i < ITEMS; i++)
                BENCH_CHECK(plait_queue_put(queue, &i) == 0);
        plait_queue_shutdown(queue, false);
        return 0;
}

static int get_all(void *arg)
{
        plait_queue *queue = arg;
        uint64_t item, i;

        for (i = 0; plait_queue_get(queue, &item) == 0; i++)
                BENCH_CHECK(item == i);
        BENCH_CHECK(i == ITEMS);
        return 0;
}

static double queue_plait_on(plait_executor *executor)
{
        plait_queue *queue;
        double start;

        BENCH_CHECK(plait_queue_new(&queue, sizeof(uint64_t), CAPACITY, PLAIT_FIFO) == 0);
        start = bench_now();
        {
                PLAIT_GROUP(group, .executor = executor);
                plait_group_start(&group, put_all, queue, 0);
                plait_group_start(&group, get_all, queue, 0);
                BENCH_CHECK(plait_group_wait(&group) == 0);
        }
        start = bench_now() - start;
        plait_queue_free(queue);
        return start / ITEMS;
}

static double queue_plait(void)
{
        return queue_plait_on(plait_coroutines());
}

static uint64_t bare_ring[CAPACITY];
static size_t bare_head, bare_tail;
static void *bare_putter, *bare_getter, *bare_main;

static void bare_put_all(void *arg)
{
        uint64_t i;

        (void)arg;
        for (i = 0; i < ITEMS; i++) {
                if (bare_tail - bare_head == CAPACITY)
                        bare_switch(&bare_putter, bare_getter);
                bare_ring[bare_tail++ % CAPACITY] = i;
        }
        bare_switch(&bare_putter, bare_getter);
}

static void bare_get_all(void *arg)
{
        uint64_t i;

        (void)arg;
        for (i = 0; i < ITEMS; i++) {
                if (bare_tail == bare_head)
                        bare_switch(&bare_getter, bare_putter);
                BENCH_CHECK(bare_ring[bare_head++ % CAPACITY] == i);
        }
        bare_switch(&bare_getter, bare_main);
}

static double queue_floor(void)
{
        static char *stacks;
        double start;

        if (!stacks)
                stacks = bare_stacks(2);
        bare_head = bare_tail = 0;
        bare_putter = bare_prepare(bare_top(stacks, 0), bare_put_all, NULL);
        bare_getter = bare_prepare(bare_top(stacks, 1), bare_get_all, NULL);
        start = bench_now();
        bare_switch(&bare_main, bare_getter);
        return (bench_now() - start) / ITEMS;
}

/* ---- a lock that two threads want all the time. The floor barges, plait's hands over in turn. */

static plait_lock shared_lock;
static _Atomic uint32_t shared_word;
static long shared_count;

static int contend(void *arg)
{
        long i;

        (void)arg;
        for (i = 0; i < CONTENDED / 2; i++) {
                plait_lock_acquire(&shared_lock);
                shared_count++;
                plait_lock_release(&shared_lock);
        }
        return 0;
}

static void *contend_bare(void *arg)
{
        long i;

        (void)arg;
        for (i = 0; i < CONTENDED / 2; i++) {
                word_acquire(&shared_word);
                shared_count++;
                word_release(&shared_word);
        }
        return NULL;
}

static double contended_plait(void)
{
        double start = bench_now();
        PLAIT_GROUP(group, .executor = plait_own_thread());

        shared_count = 0;
        plait_group_start(&group, contend, NULL, 0);
        plait_group_start(&group, contend, NULL, 0);
        BENCH_CHECK(plait_group_wait(&group) == 0 && shared_count == CONTENDED);
        return (bench_now() - start) / CONTENDED;
}

static double contended_floor(void)
{
        double start = bench_now();
        pthread_t threads[2];

        shared_count = 0;
        for (int i = 0; i < 2; i++)
                BENCH_CHECK(pthread_create(&threads[i], NULL, contend_bare, NULL) == 0);
        for (int i = 0; i < 2; i++)
                pthread_join(threads[i], NULL);
        BENCH_CHECK(shared_count == CONTENDED);
        return (bench_now() - start) / CONTENDED;
}

/* ---- the same, beside what a program would otherwise take: a pthread mutex, which barges. */

static pthread_mutex_t shared_mutex = PTHREAD_MUTEX_INITIALIZER;

static void *contend_mutex(void *arg)
{
        long i;

        (void)arg;
        for (i = 0; i < CONTENDED / 2; i++) {
                pthread_mutex_lock(&shared_mutex);
                shared_count++;
                pthread_mutex_unlock(&shared_mutex);
        }
        return NULL;
}

static void on_two_threads(void *(*fn)(void *))
{
        pthread_t threads[2];
        long i;

        for (i = 0; i < 2; i++)
                BENCH_CHECK(pthread_create(&threads[i], NULL, fn, (void *)i) == 0);
        for (i = 0; i < 2; i++)
                pthread_join(threads[i], NULL);
}

static double contended_mutex(void)
{
        double start = bench_now();

        shared_count = 0;
        on_two_threads(contend_mutex);
        BENCH_CHECK(shared_count == CONTENDED);
        return (bench_now() - start) / CONTENDED;
}

/* ---- two threads that take turns, under a lock and with a condition, each on a processor of its own. The floor: a pthread
 * mutex and condition. */

static plait_condition turned;
static pthread_cond_t turned_floor = PTHREAD_COND_INITIALIZER;
static long turn;

static int take_turns(void *arg)
{
        long me = *(long *)arg, i;

        bench_pin((int)me);
        for (i = 0; i < TURNS / 2; i++) {
                plait_lock_acquire(&shared_lock);
                while (turn != me)
                        BENCH_CHECK(plait_condition_wait(&turned, &shared_lock) == 0);
                turn = !me;
                plait_condition_notify(&turned, 1);
                plait_lock_release(&shared_lock);
        }
        return 0;
}

static void *take_turns_floor(void *arg)
{
        long me = (long)arg, i;

        bench_pin((int)me);
        for (i = 0; i < TURNS / 2; i++) {
                pthread_mutex_lock(&shared_mutex);
                while (turn != me)
                        pthread_cond_wait(&turned_floor, &shared_mutex);
                turn = !me;
                pthread_cond_signal(&turned_floor);
                pthread_mutex_unlock(&shared_mutex);
        }
        return NULL;
}

static double condition_plait(void)
{
        long numbers[] = {0, 1};
        double start;
        PLAIT_GROUP(group, .executor = plait_own_thread());

        plait_threads();                        /* plait counts the processors now, before the threads are pinned */
        start = bench_now();
        turn = 0;
        plait_group_start(&group, take_turns, &numbers[0], 0);
        plait_group_start(&group, take_turns, &numbers[1], 0);
        BENCH_CHECK(plait_group_wait(&group) == 0);
        return (bench_now() - start) / TURNS;
}

static double condition_floor(void)
{
        double start = bench_now();

        turn = 0;
        on_two_threads(take_turns_floor);
        return (bench_now() - start) / TURNS;
}

/* ---- a queue between two threads. The floor: a ring of one putter and one getter who spin. */

static struct {
        _Alignas(128) _Atomic size_t tail;
        size_t head_seen;
        _Alignas(128) _Atomic size_t head;
        size_t tail_seen;
        _Alignas(128) uint64_t items[CAPACITY];
} spsc;

/* Long enough for the other side to move many items, so that a line does not travel for each. */
static void give_way(void)
{
        for (int i = 0; i < 16; i++)
                bench_spin();
}

static void *spsc_put_all(void *arg)
{
        size_t tail = atomic_load_explicit(&spsc.tail, memory_order_relaxed), end = tail + ITEMS;

        (void)arg;
        for (; tail != end; atomic_store_explicit(&spsc.tail, ++tail, memory_order_release)) {
                while (tail - spsc.head_seen == CAPACITY) {
                        spsc.head_seen = atomic_load_explicit(&spsc.head, memory_order_acquire);
                        if (tail - spsc.head_seen == CAPACITY)
                                give_way();
                }
                spsc.items[tail % CAPACITY] = tail;
        }
        return NULL;
}

static double queue_threads_floor(void)
{
        size_t head = atomic_load_explicit(&spsc.head, memory_order_relaxed), end = head + ITEMS;
        double start = bench_now();
        pthread_t thread;

        BENCH_CHECK(pthread_create(&thread, NULL, spsc_put_all, NULL) == 0);
        for (; head != end; atomic_store_explicit(&spsc.head, ++head, memory_order_release)) {
                while (spsc.tail_seen == head) {
                        spsc.tail_seen = atomic_load_explicit(&spsc.tail, memory_order_acquire);
                        if (spsc.tail_seen == head)
                                give_way();
                }
                BENCH_CHECK(spsc.items[head % CAPACITY] == head);
        }
        pthread_join(thread, NULL);
        return (bench_now() - start) / ITEMS;
}

static double queue_threads_plait(void)
{
        return queue_plait_on(plait_own_thread());
}

/* ---- a select over four queues with items in all; what it got is put back, so that they stay ready. The floor: a ring chosen by
 * xorshift. */

enum { LINES = 4, SELECTS = 1000000, SELECT_WAITS = 300000 };

static void make_lines(plait_queue *queues[LINES], uint64_t items[LINES], plait_case cases[LINES])
{
        for (int i = 0; i < LINES; i++) {
                BENCH_CHECK(plait_queue_new(&queues[i], sizeof items[i], 16, PLAIT_FIFO) == 0);
                cases[i] = PLAIT_GET(queues[i], &items[i]);
        }
}

static void free_lines(plait_queue *queues[LINES])
{
        for (int i = 0; i < LINES; i++)
                plait_queue_free(queues[i]);
}

static double select_plait(void)
{
        plait_queue *queues[LINES];
        uint64_t items[LINES];
        plait_case cases[LINES];
        double start;

        make_lines(queues, items, cases);
        for (uint64_t i = 0; i < LINES; i++)
                for (int n = 0; n < 8; n++)
                        BENCH_CHECK(plait_queue_try_put(queues[i], &i) == 0);
        start = bench_now();
        for (long i = 0; i < SELECTS; i++) {
                int taken = plait_select(cases, LINES);

                BENCH_CHECK(taken >= 0 && cases[taken].result == 0 && items[taken] == (uint64_t)taken);
                BENCH_CHECK(plait_queue_try_put(queues[taken], &items[taken]) == 0);
        }
        start = bench_now() - start;
        free_lines(queues);
        return start / SELECTS;
}

static struct { uint64_t items[16]; size_t head, tail; } bare_lines[LINES];

static double select_floor(void)
{
        uint64_t random = 88172645463325252, item;
        double start;

        for (uint64_t i = 0; i < LINES; i++)
                for (int n = 0; n < 8; n++)
                        bare_lines[i].items[bare_lines[i].tail++ % 16] = i;
        start = bench_now();
        for (long i = 0; i < SELECTS; i++) {
                size_t at;

                random ^= random << 13, random ^= random >> 7, random ^= random << 17;
                for (at = random % LINES; bare_lines[at].head == bare_lines[at].tail; at = (at + 1) % LINES)
                        ;
                item = bare_lines[at].items[bare_lines[at].head++ % 16];
                BENCH_CHECK(item == at);
                bare_lines[at].items[bare_lines[at].tail++ % 16] = item;
        }
        return (bench_now() - start) / SELECTS;
}

/* ---- the same with nothing in them: it waits in all four, and another coroutine puts into one. The floor: a ring, and a switch there
 * and back. */

static int put_in_turn(void *arg)
{
        plait_queue **queues = arg;
        uint64_t i;

        for (i = 0; i < SELECT_WAITS; i++) {
                BENCH_CHECK(plait_queue_put(queues[i % LINES], &i) == 0);
                BENCH_CHECK(plait_yield() == 0);
        }
        return 0;
}

static double select_wait_plait(void)
{
        plait_queue *queues[LINES];
        uint64_t items[LINES];
        plait_case cases[LINES];
        double start;

        make_lines(queues, items, cases);
        {
                PLAIT_GROUP(group, .executor = plait_coroutines());

                plait_group_start(&group, put_in_turn, queues, 0);
                start = bench_now();
                for (uint64_t i = 0; i < SELECT_WAITS; i++)
                        BENCH_CHECK(plait_select(cases, LINES) == (int)(i % LINES) && items[i % LINES] == i);
                start = bench_now() - start;
                BENCH_CHECK(plait_group_wait(&group) == 0);
        }
        free_lines(queues);
        return start / SELECT_WAITS;
}

static void bare_put_in_turn(void *arg)
{
        (void)arg;
        for (uint64_t i = 0; i < SELECT_WAITS; i++) {
                bare_lines[i % LINES].items[bare_lines[i % LINES].tail++ % 16] = i;
                bare_switch(&bare_putter, bare_main);
        }
        bare_switch(&bare_putter, bare_main);
}

static double select_wait_floor(void)
{
        static char *stacks;
        double start;

        if (!stacks)
                stacks = bare_stacks(1);
        memset(bare_lines, 0, sizeof bare_lines);
        bare_putter = bare_prepare(bare_top(stacks, 0), bare_put_in_turn, NULL);
        start = bench_now();
        for (uint64_t i = 0; i < SELECT_WAITS; i++) {
                size_t at = 0;

                bare_switch(&bare_main, bare_putter);
                while (bare_lines[at].head == bare_lines[at].tail)
                        at = (at + 1) % LINES;
                BENCH_CHECK(bare_lines[at].items[bare_lines[at].head++ % 16] == i);
        }
        return (bench_now() - start) / SELECT_WAITS;
}

const struct bench bench_sync[] = {
        {"lock", "ns", lock_plait, lock_floor, .goal = 15},
        {"lock-threads", "ns", lock_threads_plait, lock_threads_floor, .goal = 15},
        {"lock-contended", "ns", contended_plait, contended_floor, .goal = 0},
        {"lock-2-threads", "ns", contended_plait, contended_mutex, .goal_ratio = 1},
        {"event-set-wait", "ns", event_plait, event_floor, .goal = 5},
        {"semaphore", "ns", semaphore_plait, semaphore_floor, .goal = 15},
        {"future", "ns", future_plait, future_floor, .goal = 20},
        {"condition-2-threads", "ns", condition_plait, condition_floor, .goal_ratio = 1},
        {"queue-item", "ns", queue_plait, queue_floor, .goal = 20},
        {"queue-item-threads", "ns", queue_threads_plait, queue_threads_floor, .goal = 0},
        {"select-4", "ns", select_plait, select_floor, .goal = 100},
        {"select-4-wait", "ns", select_wait_plait, select_wait_floor, .goal = 0},
        {0},
};
