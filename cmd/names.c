/* Which file a URL becomes. The name is the last part of the path as it stands in the URL: nothing is decoded, so it
 * holds no '/' and no 0, and a redirect or a header of the server has no say in it. */
#define _GNU_SOURCE
#include "get.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void refuse(struct download *download, const char *why)
{
        snprintf(download->error, sizeof download->error, "%.100s: %.90s", download->url, why);
        download->name[0] = 0;
}

void name_from_url(struct download *download)
{
        const char *path = strstr(download->url, "://"), *name, *here;
        size_t length, end;

        if (!path)
                return;                         /* not a URL: the download says so */
        path += 3;
        path += strcspn(path, "/?#");
        end = strcspn(path, "?#");
        for (name = here = path; here < path + end; here++)
                if (*here == '/')
                        name = here + 1;
        length = (size_t)(path + end - name);
        if (length == 0 || (length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.')) {
                strcpy(download->name, "index.html");
                return;
        }
        if (length >= sizeof download->name) {
                refuse(download, "the last part is too long for a file's name; give one by -o");
                return;
        }
        memcpy(download->name, name, length);
        download->name[length] = 0;
}

/* ---- parts */

int name_part(struct download *download)
{
        enum { SUFFIX = sizeof ".00000000.part" - 1 };
        size_t length = strlen(download->name);
        unsigned number;

        if (getrandom(&number, sizeof number, 0) != sizeof number)
                return -errno;
        if (length + SUFFIX >= sizeof download->part)
                length = sizeof download->part - SUFFIX - 1;
        while (length && (download->name[length] & 0xc0) == 0x80)
                length--;                       /* no half a character */
        snprintf(download->part, sizeof download->part, "%.*s.%08x.part", (int)length, download->name, number);
        return 0;
}

/* ---- collisions */

static int by_name(const void *a, const void *b)
{
        const struct download *first = *(struct download *const *)a, *second = *(struct download *const *)b;
        int order = strcmp(first->name, second->name);

        return order ? order : (first > second) - (first < second);
}

int names_refuse_collisions(struct download *downloads, size_t count)
{
        struct download **sorted = calloc(count, sizeof *sorted), *first = NULL;
        char why[120];
        size_t used = 0, i;

        if (!sorted)
                return -ENOMEM;
        for (i = 0; i < count; i++)
                if (downloads[i].name[0])
                        sorted[used++] = &downloads[i];
        qsort(sorted, used, sizeof *sorted, by_name);
        for (i = 0; i < used; i++) {
                if (!first || strcmp(first->name, sorted[i]->name)) {
                        first = sorted[i];
                        continue;
                }
                snprintf(why, sizeof why, "would become %.40s%s, as URL %zu does; fetch it by itself, with -o", first->name,
                         strlen(first->name) > 40 ? "..." : "", (size_t)(first - downloads) + 1);
                refuse(sorted[i], why);
        }
        free(sorted);
        return 0;
}
