/* The harness's main: picks the tests, has each run (runner.h), prints the results as TAP.
 *
 *      test_queue [--list] [--no-fork] [--only NAME]...
 *
 * A test's process writes into memory that it shares with this one; what its code prints goes to stderr. */
#define _GNU_SOURCE
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/loop.h"
#include "executors.h"
#include "fault.h"
#include "leaks.h"
#include "runner.h"

/* In memory shared with the test's process. */
struct record {
        atomic_bool failed;                     /* set by the first failure, before it writes */
        char failure[1024];
        atomic_flag noting;                     /* held while the note is written */
        char note[256];
        char skipped[256];
};

/* One test, on one executor if it runs on all. */
struct run {
        const struct test *test;
        size_t executor;
        char name[160];
};

static struct test *tests;                      /* by line */
static struct run *runs;
static size_t runs_count;
static struct record *record;
static size_t current_executor;
static bool own_process = true;

void test_register(struct test *test)
{
        struct test **place = &tests;

        while (*place && (*place)->line < test->line)
                place = &(*place)->next;
        test->next = *place;
        *place = test;
}

struct plait_executor *test_executor(void)
{
        return test_executors[current_executor].get();
}

const char *test_executor_name(void)
{
        return test_executors[current_executor].name;
}

unsigned test_slower(void)
{
        return TEST_SLOWER;
}

#ifdef TEST_EMULATED
static bool list_tests_again(void)
{
        char path[4096] = "";
        int status;
        pid_t child;

        if (readlink("/proc/self/exe", path, sizeof path - 1) < 0)
                return false;
        child = fork();
        if (child == 0) {
                dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 1);
                execl(path, path, "--list", (char *)NULL);
                _exit(127);
        }
        return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

bool test_can_start_again(void)
{
        static int answer = -1;

        if (answer < 0)
                answer = list_tests_again();
        return answer;
}
#else
bool test_can_start_again(void)
{
        return true;
}
#endif

void test_note(const char *format, ...)
{
        va_list arguments;

        if (!record)
                return;
        while (atomic_flag_test_and_set(&record->noting))
                continue;
        va_start(arguments, format);
        vsnprintf(record->note, sizeof record->note, format, arguments);
        va_end(arguments);
        atomic_flag_clear(&record->noting);
}

void test_skip(const char *reason)
{
        snprintf(record->skipped, sizeof record->skipped, "%s", reason);
}

static const char *from_root(const char *file)
{
        return strncmp(file, "../", 3) ? file : file + 3;
}

void test_fail(const char *file, int line, const char *format, ...)
{
        char text[900];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        if (!record)                            /* a worker process that was not forked from us: its death tells */
                fprintf(stderr, "%s:%d: %s\n", from_root(file), line, text);
        else if (!atomic_exchange(&record->failed, true))
                snprintf(record->failure, sizeof record->failure, "%s:%d: %s", from_root(file), line, text);
        if (!own_process) {
                fprintf(stderr, "%s\n", record->failure);
                abort();
        }
        _exit(1);
}

void test_check_equal(const char *file, int line, const char *actual_text, intmax_t actual, const char *expected_text,
                      intmax_t expected)
{
        if (actual != expected)
                test_fail(file, line, "%s is %jd, not %s (%jd)", actual_text, actual, expected_text, expected);
}

/* ---- in the test's process */

static void run_watching_leaks(const struct test *test)
{
        struct holdings before;
        char what[768];

        test->body();
        /* What is kept on purpose may still grow a few times (another thread of a pool); a leak grows each time. */
        for (int round = 0; round < 6; round++) {
                if (record->skipped[0])
                        return;
                holdings_take(&before);
                test->body();
                if (!holdings_grew(&before, what, sizeof what))
                        return;
        }
        test_fail(test->file, test->line, "leaks: %s", what);
}

void test_forked(void)
{
        plait__store(&plait__loop_forked, false);
}

/* In one more process, whose stderr is a file in memory. */
static void run_expecting_abort(const struct test *test)
{
        int file = memfd_create("stderr", MFD_CLOEXEC), status;
        struct rlimit no_core = {0, 0};
        char words[4096];
        ssize_t length;
        pid_t child = fork();

        if (child == 0) {
                test_forked();
                setrlimit(RLIMIT_CORE, &no_core);
                dup2(file, 2);
                test->body();
                _exit(0);
        }
        if (child < 0 || waitpid(child, &status, 0) != child)
                test_fail(test->file, test->line, "no child process");
        length = pread(file, words, sizeof words - 1, 0);
        close(file);
        words[length < 0 ? 0 : length] = 0;
        if (record->failed)
                _exit(1);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
                test_fail(test->file, test->line, "did not abort (wait status %#x): %.600s", (unsigned)status, words);
        if (!strstr(words, test->aborts))
                test_fail(test->file, test->line, "last words without \"%s\": %.600s", test->aborts, words);
}

static void run_body(int index)
{
        const struct test *test = runs[index].test;

        test_forked();
        signal(SIGALRM, SIG_DFL);               /* Check's own, inherited */
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        current_executor = runs[index].executor;
        if (test->aborts)
                run_expecting_abort(test);
        else if (test->once)
                test->body();
        else
                run_watching_leaks(test);
}

/* ---- in the program */

/* For a negative control: whether `text` is there and contains what it must; else `text` becomes the complaint. */
static bool must_contain(char *text, size_t size, const struct test *test, const char *what, const char *expected)
{
        char found[512];

        if (text[0] && strstr(text, expected))
                return true;
        snprintf(found, sizeof found, "%s", text);
        snprintf(text, size, "%s:%d: was to %s with \"%s\", and did %s%s", from_root(test->file), test->line, what,
                 expected, found[0] ? "with: " : "not", found);
        return false;
}

static bool run_one(size_t index, FILE *tap)
{
        const struct run *run = &runs[index];
        const struct test *test = run->test;
        unsigned seconds = (test->seconds ? test->seconds : 20) * TEST_SLOWER;
        char how[256] = "", failure[1600] = "";
        const char *skipped = "";
        bool passed;

        memset(record, 0, sizeof *record);
        if (test->on_executors && test_executors[run->executor].apart && !test_can_start_again())
                test_skip("a foreign binary cannot start itself again under this emulator");
        else
                runner_run(run_body, (int)index, seconds, own_process, how, sizeof how);
        if (record->failed)
                snprintf(failure, sizeof failure, "%s", record->failure);
        else if (how[0])
                snprintf(failure, sizeof failure, "%s:%d: %s", from_root(test->file), test->line, how);
        if (failure[0] && record->note[0])
                snprintf(failure + strlen(failure), sizeof failure - strlen(failure), " [%s]", record->note);
        passed = !failure[0];
        if (passed && record->skipped[0])
                skipped = record->skipped;
        if (test->fails && !record->skipped[0])
                passed = must_contain(failure, sizeof failure, test, "fail", test->fails);
        if (test->skips && passed) {
                snprintf(failure, sizeof failure, "%s", skipped);
                passed = must_contain(failure, sizeof failure, test, "be skipped", test->skips);
                skipped = "";
        }
        for (char *end = failure; (end = strchr(end, '\n'));)
                *end = ' ';
        fprintf(tap, "%s %zu - %s%s%s\n", passed ? "ok" : "not ok", index + 1, run->name, skipped[0] ? " # SKIP " : "",
                skipped);
        if (!passed)
                fprintf(tap, "# %s\n", failure);
        fflush(tap);
        return passed;
}

/* "put_waits" means all of put_waits.coroutines, put_waits.threads, ... too. */
static bool is_wanted(const char *name, int argc, char **argv)
{
        bool any = false;

        for (int i = 1; i < argc; i++) {
                size_t length;

                if (strcmp(argv[i], "--only") || ++i == argc)
                        continue;
                any = true;
                length = strlen(argv[i]);
                if (!strncmp(name, argv[i], length) && (!name[length] || name[length] == '.'))
                        return true;
        }
        return !any;
}

static void add_run(const struct test *test, size_t executor, int argc, char **argv)
{
        struct run *run = &runs[runs_count];

        if (test->on_executors && test_executors[executor].apart && !test->on_all)
                return;
        run->test = test;
        run->executor = executor;
        snprintf(run->name, sizeof run->name, "%s%s%s", test->name, test->on_executors ? "." : "",
                 test->on_executors ? test_executors[executor].name : "");
        if (is_wanted(run->name, argc, argv))
                runs_count++;
}

static void pick_runs(int argc, char **argv)
{
        size_t most = 1;

        for (const struct test *test = tests; test; test = test->next)
                most += test->on_executors ? test_executors_count : 1;
        runs = calloc(most, sizeof *runs);
        if (!runs)
                abort();
        for (const struct test *test = tests; test; test = test->next)
                for (size_t executor = 0; executor < (test->on_executors ? test_executors_count : 1); executor++)
                        add_run(test, executor, argc, argv);
}

/* stdin is /dev/null, stdout is where stderr goes; what is returned is the real stdout. */
static FILE *set_streams(void)
{
        int tap = fcntl(1, F_DUPFD_CLOEXEC, 100), nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

        dup2(2, 1);
        dup2(nothing, 0);
        close(nothing);
        return fdopen(tap, "w");
}

/* What is too large is refused, as elsewhere, and not an error of the test. */
#if defined(TEST_SANITIZER_ADDRESS) || defined(TEST_SANITIZER_THREAD)
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
        return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
        return "allocator_may_return_null=1";
}
#endif

#ifdef TEST_SANITIZER_THREAD
static void *do_nothing(void *arg)
{
        return arg;
}

/* The thread sanitizer starts a thread of its own in each forked child, and one more beside a program's first thread:
 * that is made here, or else it would turn up among the threads that a test counts. */
static void settle_threads(void)
{
        pthread_t thread;

        if (pthread_create(&thread, NULL, do_nothing, NULL) || pthread_join(thread, NULL))
                abort();
}
#else
static void settle_threads(void)
{
}
#endif

int main(int argc, char **argv)
{
        bool list = false, passed = true;
        FILE *tap;

        for (int i = 1; i < argc; i++) {
                if (!strcmp(argv[i], "--no-fork"))
                        own_process = false;
                else if (!strcmp(argv[i], "--list"))
                        list = true;
        }
        pick_runs(argc, argv);
        if (list) {
                for (size_t i = 0; i < runs_count; i++)
                        puts(runs[i].name);
                return 0;
        }
        record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        tap = set_streams();
        if (record == MAP_FAILED || !tap) {
                perror("test");
                return 1;
        }
        fault_install();
        settle_threads();
        fprintf(tap, "1..%zu\n", runs_count);
        fflush(tap);
        for (size_t i = 0; i < runs_count; i++)
                passed = run_one(i, tap) && passed;
        return passed ? 0 : 1;
}
