/* plait get: a map over URLs, inside a group with a strand that waits for SIGINT. */
#include "get.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char help[] =
        "plait get [OPTION]... URL...      fetch files over http and https, many at once\n"
        "\n"
        "  -j, --jobs N       so many at once; default 16\n"
        "      --via HOW      coroutines (the default), threads or processes\n"
        "  -d, --dir DIR      put the files there, not here; made if it is not there\n"
        "  -o, --output FILE  the file's name; -: standard output; with one URL only\n"
        "      --timeout SPAN time for each URL: 500ms, 30s, 2m; default: no limit\n"
        "      --json         one line of JSON for each URL:\n"
        "                     {\"url\", \"file\", \"status\", \"bytes\", \"seconds\", \"error\"}\n"
        "\n"
        "A file is named as the last part of its URL's path, or index.html, and appears when all\n"
        "of it is there; while it is written it is NAME.NUMBER.part. A file of that name is\n"
        "replaced; what is no file (a directory, a link) is left alone, and the URL fails. If two\n"
        "lead to one name, the second is not fetched, and fails. A status that is not 2xx fails.\n"
        "Names of files go to standard output, in the order of the URLs; all else to standard\n"
        "error. Proxies: http_proxy, https_proxy; other certificates: SSL_CERT_FILE.\n"
        "\n"
        "Exit code: 0 all, 1 some failed, 2 wrong usage, 4 all failed, 130 interrupted.\n";

enum { JOBS = 16, JOBS_MOST = 10000 };

enum via { VIA_COROUTINES, VIA_THREADS, VIA_PROCESSES };

struct run {
        enum via via;
        size_t jobs;
        bool json;
        const char *output, *directory;         /* of -o and --dir; NULL: not given */
        struct place place;
        struct download *downloads;
        int *results;
        size_t count, room;
        int signal;                             /* that ended it; 0: none */
};

/* ---- the command line */

static void add_url(struct run *run, struct options *options, const char *url)
{
        struct download *more;

        if (run->count == run->room) {
                run->room = run->room ? run->room * 2 : 16;
                more = realloc(run->downloads, run->room * sizeof *more);
                if (!more)
                        usage(options, "no memory for so many URLs");
                run->downloads = more;
        }
        more = &run->downloads[run->count++];
        memset(more, 0, sizeof *more);
        if (snprintf(more->url, sizeof more->url, "%s", url) >= (int)sizeof more->url)
                snprintf(more->error, sizeof more->error, "%.100s...: longer than %zu bytes", url,
                         sizeof more->url - 1);
}

static enum via via_of(struct options *options)
{
        static const char *const names[] = {"coroutines", "threads", "processes"};
        const char *value = option_value(options);
        unsigned i;

        for (i = 0; i < 3; i++)
                if (!strcmp(value, names[i]))
                        return (enum via)i;
        usage(options, "--via %s: coroutines, threads or processes", value);
}

static void set_directory(struct run *run, struct options *options, const char *directory)
{
        size_t length = strlen(directory);

        if (length == 0 || length >= sizeof run->place.directory)
                usage(options, "a directory's path has 1 to %zu bytes", sizeof run->place.directory - 1);
        memcpy(run->place.directory, directory, length + 1);
        run->directory = directory;
}

/* With -o, where the one file goes; --dir, if it was given, is where that begins. */
static void set_output(struct run *run, struct options *options)
{
        const char *wrong;

        if (run->count > 1)
                usage(options, "-o names one file, and there are %zu URLs; give --dir", run->count);
        wrong = directory_of_output(run->output, run->directory, &run->place, run->downloads);
        if (wrong)
                usage(options, "-o %.200s: %s", run->output, wrong);
        if (run->json && run->place.target == TO_OUTPUT)
                usage(options, "-o -: standard output is for --json already");
}

static void name_files(struct run *run, struct options *options)
{
        size_t i;

        if (run->output) {
                set_output(run, options);
                return;
        }
        for (i = 0; i < run->count; i++)
                if (!run->downloads[i].error[0])
                        name_from_url(&run->downloads[i]);
        if (names_refuse_collisions(run->downloads, run->count) < 0)
                usage(options, "no memory for so many URLs");
}

/* What does not work here fails each URL: that is for the report. */
static void prepare(struct run *run)
{
        int made = run->directory ? directory_make(run->directory) : 0, rc;
        struct download *download;

        for (download = run->downloads; download < run->downloads + run->count; download++) {
                rc = made < 0 ? made : name_part(download);
                if (rc < 0 && !download->error[0])
                        snprintf(download->error, sizeof download->error, "--dir %.150s: %s", run->place.directory,
                                 strerror(-rc));
        }
}

/* False: help was asked for, and given. */
static bool read_options(struct run *run, char **words)
{
        struct options options = {.verb = "get", .words = words};
        const char *word;
        int kind;

        strcpy(run->place.directory, ".");
        run->place.within = PLAIT_FOREVER;
        while ((kind = options_next(&options, &word))) {
                if (kind == 2)
                        add_url(run, &options, word);
                else if (option_is(&options, "h|help"))
                        return fputs(help, stdout), false;
                else if (option_is(&options, "j|jobs"))
                        run->jobs = option_number(&options, 1, JOBS_MOST);
                else if (option_is(&options, "via"))
                        run->via = via_of(&options);
                else if (option_is(&options, "d|dir"))
                        set_directory(run, &options, option_value(&options));
                else if (option_is(&options, "o|output"))
                        run->output = option_value(&options);
                else if (option_is(&options, "timeout"))
                        run->place.within = option_span(&options);
                else if (option_is(&options, "json"))
                        run->json = true;
                else
                        option_unknown(&options);
        }
        if (!run->count)
                usage(&options, "no URL was given");
        name_files(run, &options);
        return true;
}

/* ---- the work */

struct watch { struct run *run; plait_group *group; };

static int stop_on_signal(void *arg)
{
        struct watch *watch = arg;
        int rc = signals_wait();

        if (rc > 0)
                watch->run->signal = rc;
        if (rc > 0)
                plait_group_cancel(watch->group);
        return 0;
}

/* A second signal is not waited for by what writes at the moment. */
static struct run *signalled;

static void clean_all(void)
{
        size_t i;

        for (i = 0; i < signalled->count; i++)
                download_clean(&signalled->downloads[i], &signalled->place);
}

/* Each of them has descriptors: a connection, what looks its name up, its file; a thread has some of its own too. */
static void limit_jobs(struct run *run)
{
        enum { OURS = 14, EACH = 3, EACH_THREAD = 10 };
        rlim_t each = run->via == VIA_THREADS ? EACH_THREAD : EACH, most;
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        if (run->jobs > run->count)
                run->jobs = run->count;
        most = limit.rlim_cur < OURS + each ? 1 : (limit.rlim_cur - OURS) / each;
        if (run->jobs <= most)
                return;
        run->jobs = most;
        fprintf(stderr, "plait get: ulimit -n %llu allows %zu at once\n", (unsigned long long)limit.rlim_cur, run->jobs);
}

/* Processes: a pool that is as wide as there are jobs, since they wait for the network and not for a processor. */
static int executor_of(const struct run *run, plait_executor **ret)
{
        plait_executor_options options = {.kind = PLAIT_PROCESSES, .name = "get"};

        options.workers = (unsigned)run->jobs;
        if (run->via == VIA_PROCESSES)
                return plait_executor_open(ret, &options);
        *ret = run->via == VIA_THREADS ? plait_threads() : plait_coroutines();
        return 0;
}

static int map(struct run *run, struct bar *bar)
{
        plait_map_options options = {
                .chunk = 1, .limit = run->jobs, .kill_after = PLAIT_S, .keep_going = true, .results = run->results,
                .progress = bar_draw, .progress_arg = bar, .common = &run->place, .common_size = sizeof run->place,
        };
        int rc = executor_of(run, &options.executor);

        if (rc < 0)
                return rc;
        rc = plait_map_with(&options, download, run->downloads, run->count, sizeof *run->downloads);
        if (run->via == VIA_PROCESSES)
                plait_ignore(plait_executor_close(options.executor));
        return rc;
}

static int fetch_all(struct run *run)
{
        struct bar bar;
        int rc;
        PLAIT_GROUP(group, .name = "get");
        struct watch watch = {run, &group};

        plait_group_start_with(&group, &(plait_task_options){.name = "signals"}, stop_on_signal, &watch, sizeof watch);
        bar_open(&bar, run->count);
        rc = map(run, &bar);
        bar_close(&bar);
        plait_group_cancel(&group);
        plait_ignore(plait_group_wait(&group));
        return rc;
}

/* ---- how it went */

/* A task that did not come to say so itself. */
static void explain(struct run *run, struct download *download, int rc)
{
        if (download->error[0] && rc != -EOWNERDEAD)
                return;
        snprintf(download->error, sizeof download->error, "%.100s: %s", download->url,
                 run->signal ? "interrupted" : rc == -EOWNERDEAD ? "its worker process died" : strerror(-rc));
        download_clean(download, &run->place);
}

static int report(struct run *run)
{
        size_t failed = 0, i;

        for (i = 0; i < run->count; i++) {
                if (run->results[i] < 0) {
                        explain(run, &run->downloads[i], run->results[i]);
                        failed++;
                }
                (run->json ? report_json : report_text)(&run->downloads[i], &run->place, run->results[i]);
        }
        fflush(stdout);
        fprintf(stderr, "%zu given, %zu ok, %zu failed%s\n", run->count, run->count - failed, failed,
                run->signal ? ", interrupted" : "");
        if (run->signal)
                return EXIT_BY_SIGNAL + run->signal;
        return failed == 0 ? EXIT_ALL : failed < run->count ? EXIT_SOME_FAILED : EXIT_ALL_FAILED;
}

int get_main(int argc, char **argv)
{
        struct run run = {.jobs = JOBS};
        int rc = 0;

        (void)argc;
        if (!read_options(&run, argv + 1))
                return EXIT_ALL;
        signalled = &run;
        run.results = calloc(run.count, sizeof *run.results);
        if (run.results)
                rc = signals_block(clean_all);
        if (!run.results || rc < 0) {
                fprintf(stderr, "plait get: %s\n", strerror(rc ? -rc : ENOMEM));
                return EXIT_ALL_FAILED;
        }
        for (size_t i = 0; i < run.count; i++)
                run.results[i] = -ECANCELED;
        prepare(&run);
        limit_jobs(&run);
        rc = fetch_all(&run);
        signals_release();
        if (rc < 0 && run.results[0] == -ECANCELED && !run.signal)
                fprintf(stderr, "plait get: %s\n", strerror(-rc));
        rc = report(&run);
        free(run.results);
        free(run.downloads);
        return rc;
}
