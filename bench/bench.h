/* The harness of `make bench`. A row is one piece of work, done by plait and, beside it in the same file, by a floor: the
 * least that anyone could do it with (bare assembly, a bare ring, raw futexes, pthreads, epoll, libcurl). A side of a row
 * is a function that does the work for some 10 to 50 ms and returns what one operation took.
 *
 * Every sample is taken in a process of its own, so that threads, memory and loops of one do not reach another. Samples
 * of the two sides alternate, so that a slow phase of the machine meets both; their medians are what is told. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench {
        const char *name, *unit;
        double (*plait)(void);
        double (*floor)(void);
        double goal;                    /* of plait, in the unit; 0: none */
        double goal_ratio;              /* of plait to the floor; 0: none */
        bool (*absent)(void);           /* true: what it measures is not there yet; NULL: it is */
        bool once;                      /* a process can do it only once: no warm-up, and one figure is the sample */
};

/* One per subject; the last has no name. */
extern const struct bench bench_switch[], bench_start[], bench_memory[], bench_sync[], bench_wake[], bench_threads[],
        bench_process[], bench_map[], bench_http[];

/* Nanoseconds of the monotonic clock. */
double bench_now(void);

/* Sorts them. */
double bench_median(double *values, size_t count);

/* The sample cannot be taken: says why on standard error and ends its process. */
__attribute__((noreturn, format(printf, 1, 2))) void bench_fail(const char *format, ...);

/* Fails unless the condition holds, with its text. */
#define BENCH_CHECK(condition) ((condition) ? (void)0 : bench_fail("%s:%d: %s", __FILE__, __LINE__, #condition))

/* Something to compute: about `ns` of it, after a first call that measures how long that is. */
void bench_compute(double ns);

/* Between two looks at what another processor will write. */
static inline void bench_spin(void)
{
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb" ::: "memory");
#endif
}

/* This thread stays on the nth of the processors that the process may use. With one processor: bench_fail(). */
void bench_pin(int nth);

#endif
