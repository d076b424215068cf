/* What is said: results on standard output, everything else on standard error. */
#include "get.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void path_of(char *ret, size_t size, const struct download *download, const struct place *place)
{
        const char *directory = place->directory;
        size_t length = strlen(directory);

        if (!strcmp(directory, "."))
                snprintf(ret, size, "%s", download->name);
        else
                snprintf(ret, size, "%s%s%s", directory, directory[length - 1] == '/' ? "" : "/", download->name);
}

void report_json(const struct download *download, const struct place *place, int rc)
{
        char path[sizeof place->directory + sizeof download->name];

        path_of(path, sizeof path, download, place);
        fputs("{\"url\": ", stdout);
        json_text(stdout, download->url);
        fputs(", \"file\": ", stdout);
        json_text(stdout, rc < 0 ? NULL : path);
        printf(", \"status\": %d, \"bytes\": %llu, \"seconds\": %lld.%06lld, \"error\": ", download->status,
               (unsigned long long)download->bytes, (long long)(download->took / PLAIT_S),
               (long long)(download->took % PLAIT_S / PLAIT_US));
        json_text(stdout, rc < 0 ? download->error : NULL);
        fputs("}\n", stdout);
}

void report_text(const struct download *download, const struct place *place, int rc)
{
        char path[sizeof place->directory + sizeof download->name];

        if (rc < 0) {
                fputs("plait get: ", stderr);
                show_text(stderr, download->error);
                putc('\n', stderr);
                return;
        }
        if (place->target == TO_OUTPUT)
                return;
        path_of(path, sizeof path, download, place);
        if (isatty(STDOUT_FILENO))
                show_text(stdout, path);
        else
                fputs(path, stdout);
        putchar('\n');
}

/* ---- the bar */

enum { CELLS_MOST = 40 };

void bar_open(struct bar *bar, size_t count)
{
        const char *terminal = getenv("TERM");

        bar->shown = isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb");
        bar->drawn = 0;
        bar_draw(bar, 0, count);
}

void bar_draw(void *arg, size_t ended, size_t count)
{
        struct bar *bar = arg;
        struct winsize window = {0};
        size_t cells, full, i;

        if (!bar->shown || (ended < count && plait_now() - bar->drawn < 50 * PLAIT_MS))
                return;
        bar->drawn = plait_now();
        ioctl(STDERR_FILENO, TIOCGWINSZ, &window);
        cells = window.ws_col < 30 ? 10 : window.ws_col - 24u < CELLS_MOST ? window.ws_col - 24u : CELLS_MOST;
        full = count ? ended * cells / count : 0;
        fputs("\r[", stderr);
        for (i = 0; i < cells; i++)
                putc(i < full ? '#' : '.', stderr);
        fprintf(stderr, "] %zu of %zu\033[K", ended, count);
        fflush(stderr);
}

void bar_close(struct bar *bar)
{
        if (bar->shown)
                fputs("\r\033[K", stderr);
        bar->shown = false;
}
