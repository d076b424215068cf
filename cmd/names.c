/* Which file a URL becomes. The name is the last part of the path as it stands in the URL: nothing is decoded, so it
 * holds no '/' and no 0, and a redirect or a header of the server has no say in it. */
#include "get.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PART ".part"

static void refuse(struct download *download, const char *why)
{
        snprintf(download->error, sizeof download->error, "%.100s: %s", download->url, why);
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
        if (length + sizeof PART > sizeof download->name) {
                refuse(download, "the last part is too long for a file's name; give one by -o");
                return;
        }
        memcpy(download->name, name, length);
        download->name[length] = 0;
}

/* ---- collisions */

/* A name that a download uses: its file's, or that of the part while it is written. */
struct use { const char *name; bool part; size_t index; };

static int by_name(const void *a, const void *b)
{
        const struct use *first = a, *second = b;
        char with_part[2][sizeof ((struct download *)0)->name + sizeof PART];
        int order;

        snprintf(with_part[0], sizeof with_part[0], "%s%s", first->name, first->part ? PART : "");
        snprintf(with_part[1], sizeof with_part[1], "%s%s", second->name, second->part ? PART : "");
        order = strcmp(with_part[0], with_part[1]);
        return order ? order : first->index < second->index ? -1 : first->index > second->index;
}

static bool same(const struct use *a, const struct use *b)
{
        struct use other = *b;

        other.index = a->index;
        return by_name(a, &other) == 0;
}

int names_refuse_collisions(struct download *downloads, size_t count)
{
        struct use *uses = calloc(count * 2, sizeof *uses);
        char (*why)[160];
        size_t used = 0, i, first;

        why = calloc(count, sizeof *why);
        if (!uses || !why) {
                free(uses);
                free(why);
                return -ENOMEM;
        }
        for (i = 0; i < count; i++)
                if (downloads[i].name[0]) {
                        uses[used++] = (struct use){downloads[i].name, false, i};
                        uses[used++] = (struct use){downloads[i].name, true, i};
                }
        qsort(uses, used, sizeof *uses, by_name);
        for (i = 1, first = 0; i < used; i++) {
                if (!same(&uses[first], &uses[i]))
                        first = i;
                else
                        snprintf(why[uses[i].index], sizeof why[0],
                                 "would become the file of URL %zu, %.60s; give it a name by -o, or a --dir of its own",
                                 uses[first].index + 1, uses[first].name);
        }
        for (i = 0; i < count; i++)
                if (why[i][0])
                        refuse(&downloads[i], why[i]);
        free(uses);
        free(why);
        return 0;
}
