/* plait get: a map over URLs, inside a group with a strand that waits for SIGINT. */
#include "get.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char help[] =
        "plait get [OPTION]... URL...      fetch files over http and https, many at once\n"
        "\n"
        "  -j, --jobs N       so many at once; default 16\n"
        "      --via HOW      coroutines (the default), threads or processes\n"
        "  -d, --dir DIR      put the files there, not here; made if it is not there\n"
        "  -o, --output FILE  the name of the file; with one URL only\n"
        "      --timeout SPAN time for each URL: 500ms, 30s, 2m; default: no limit\n"
        "      --json         one line of JSON for each URL:\n"
        "                     {\"url\", \"file\", \"status\", \"bytes\", \"seconds\", \"error\"}\n"
        "\n"
        "A file is named as the last part of its URL's path, or index.html, and appears when\n"
        "all of it is there; until then it is NAME.part. A file of that name is replaced; what\n"
        "is no file (a directory, a link) is left alone, and the URL fails. If two URLs lead to\n"
        "one name, the second fails and is not fetched. A status of 400 or more is a failure.\n"
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
        const char *output;
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
}

/* -o DIR/NAME; a plain name belongs into --dir. */
static void set_output(struct run *run, struct options *options)
{
        const char *slash = strrchr(run->output, '/'), *name = slash ? slash + 1 : run->output;
        char directory[sizeof run->place.directory];

        if (run->count > 1)
                usage(options, "-o names one file, and there are %zu URLs; give --dir", run->count);
        if (!*name || !strcmp(name, ".") || !strcmp(name, "..") ||
            strlen(name) + sizeof ".part" > sizeof run->downloads->name)
                usage(options, "-o %s: not a name for a file", run->output);
        strcpy(run->downloads->name, name);
        if (!slash)
                return;
        if ((size_t)(name - run->output) >= sizeof directory)
                usage(options, "-o %.40s...: too long", run->output);
        snprintf(directory, sizeof directory, "%.*s", (int)(name - run->output), run->output);
        set_directory(run, options, directory);
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
        if (mkdir(run->place.directory, 0777) < 0 && errno != EEXIST)
                usage(&options, "--dir %s: %s", run->place.directory, strerror(errno));
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

/* Processes: a pool that is as wide as there are jobs, since they wait for the network and not for a processor. */
static int executor_of(const struct run *run, plait_executor **ret)
{
        plait_executor_options options = {.kind = PLAIT_PROCESSES, .name = "get"};

        options.workers = (unsigned)(run->jobs < run->count ? run->jobs : run->count);
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
        bar_open(&bar);
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
        run.results = calloc(run.count, sizeof *run.results);
        if (run.results)
                rc = signals_block();
        if (!run.results || rc < 0) {
                fprintf(stderr, "plait get: %s\n", strerror(rc ? -rc : ENOMEM));
                return EXIT_ALL_FAILED;
        }
        for (size_t i = 0; i < run.count; i++)
                run.results[i] = -ECANCELED;
        rc = fetch_all(&run);
        if (rc < 0 && run.results[0] == -ECANCELED && !run.signal)
                fprintf(stderr, "plait get: %s\n", strerror(-rc));
        rc = report(&run);
        free(run.results);
        free(run.downloads);
        return rc;
}
