/* The test harness. A test file is tests/test_<noun>.c; its tests register themselves:
 *
 *      TEST(a_queue_of_no_capacity_is_refused)
 *      {
 *              CHECK(plait_queue_new(&queue, 4, 0, PLAIT_FIFO) == -EINVAL);
 *      }
 *
 * Each test runs in a process of its own, with a time limit, and twice or more in it: the first time fills what the
 * library keeps on purpose (threads of a pool, slabs); after that the process must have the descriptors, threads,
 * descendant processes and blocks of memory that it had before. Fields of struct test may follow the name: TEST(name,
 * .seconds = 60). */
#ifndef PLAIT_TEST_H
#define PLAIT_TEST_H

#include <stdbool.h>
#include <stdint.h>

struct plait_executor;

struct test {
        const char *name;
        const char *file;
        int line;
        void (*body)(void);
        unsigned seconds;               /* the limit; 0: 20. Multiplied under sanitizers and emulators */
        bool once;                      /* runs once, not looked at for leaks: say why beside it */
        bool on_executors;              /* TEST_ON_EXECUTORS */
        bool on_all;                    /* TEST_ON_ALL_EXECUTORS */
        const char *aborts;             /* TEST_ABORTS: what the last words contain */
        const char *fails;              /* TEST_FAILS: what the failure contains */
        const char *skips;              /* TEST_SKIPS: what the reason contains */
        struct test *next;
        int end_;                       /* ends the list of fields in TEST_DEFINE */
};

#define TEST(...) TEST_DEFINE(__VA_ARGS__, .end_ = 0)

/* The body runs once on each executor of executors.c that shares this process's memory; test_executor() is the current one. */
#define TEST_ON_EXECUTORS(...) TEST_DEFINE(__VA_ARGS__, .on_executors = true)

/* Likewise, on those in other processes too: the body's tasks must be content with the bytes of their struct. */
#define TEST_ON_ALL_EXECUTORS(...) TEST_DEFINE(__VA_ARGS__, .on_executors = true, .on_all = true)

/* Misuse: the body must end the process by abort(), having written a line that contains `text`. */
#define TEST_ABORTS(name_, ...) TEST_DEFINE(name_, .aborts = __VA_ARGS__, .end_ = 0)

/* A negative control: the test must fail, for a reason that contains `text`. */
#define TEST_FAILS(name_, ...) TEST_DEFINE(name_, .fails = __VA_ARGS__, .end_ = 0)

/* Another: the test must be skipped. */
#define TEST_SKIPS(name_, ...) TEST_DEFINE(name_, .skips = __VA_ARGS__, .end_ = 0)

#define TEST_DEFINE(name_, ...)                                                                                        \
        static void test_##name_(void);                                                                                \
        static struct test test_of_##name_ = {                                                                         \
                .name = #name_, .file = __FILE__, .line = __LINE__, .body = test_##name_, __VA_ARGS__};                \
        __attribute__((constructor)) static void test_register_##name_(void)                                           \
        {                                                                                                              \
                test_register(&test_of_##name_);                                                                       \
        }                                                                                                              \
        static void test_##name_(void)

/* Both may stand in any thread, coroutine or process of the test: the first that fails ends the test. */
#define CHECK(expression) ((expression) ? (void)0 : test_fail(__FILE__, __LINE__, "CHECK(%s)", #expression))
#define CHECK_EQUAL(actual, expected)                                                                                  \
        test_check_equal(__FILE__, __LINE__, #actual, (intmax_t)(actual), #expected, (intmax_t)(expected))

/* Leaves the test's body; the test counts as skipped. */
#define SKIP(reason)                                                                                                   \
        do {                                                                                                           \
                test_skip(reason);                                                                                     \
                return;                                                                                                \
        } while (0)

struct plait_executor *test_executor(void);
const char *test_executor_name(void);
unsigned test_slower(void);                     /* 1, or how many times slower this build is thought to be */

/* Whether this program can be started from within itself: not under an emulator of which the kernel does not know. Rows
 * for executors of processes are skipped then. */
bool test_can_start_again(void);

/* A line that is printed with this test's failure, whichever it is, a crash included: the seed, the round. */
void test_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A child made by fork() from a process that has not used plait yet, such as each test's own, may use it from here on. */
void test_forked(void);

void test_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4), noreturn));
void test_skip(const char *reason);
void test_check_equal(const char *file, int line, const char *actual_text, intmax_t actual, const char *expected_text,
                      intmax_t expected);
void test_register(struct test *test);

#endif
