/* Which directory, and what it is that the user named by -o: a file, or something that is there already and cannot be
 * replaced. */
#define _GNU_SOURCE
#include "get.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int directory_make(const char *path)
{
        char part[sizeof ((struct place *)0)->directory];
        size_t length;

        for (length = 1; path[length]; length++) {
                if (path[length] != '/' || path[length - 1] == '/')
                        continue;
                memcpy(part, path, length);
                part[length] = 0;
                mkdir(part, 0777);              /* whatever is wrong with it, the last one has it too */
        }
        return mkdir(path, 0777) < 0 && errno != EEXIST ? -errno : 0;
}

/* ---- -o */

/* Of what the links lead to: the link itself is for check_target() in download.c to refuse. */
static enum target target_of(const char *path)
{
        struct stat status;

        return stat(path, &status) == 0 && !S_ISREG(status.st_mode) ? TO_DEVICE : TO_FILE;
}

static bool is_directory(const char *path)
{
        struct stat status;

        return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static const char *split(const char *path, struct place *place, struct download *download)
{
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

        if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || is_directory(path))
                return "a directory; the file is put there by --dir";
        if (strlen(name) >= sizeof download->name)
                return "too long for a file's name";
        strcpy(download->name, name);
        if (slash)
                snprintf(place->directory, sizeof place->directory, "%.*s", slash == path ? 1 : (int)(slash - path), path);
        else
                strcpy(place->directory, ".");
        place->target = target_of(path);
        return NULL;
}

const char *directory_of_output(const char *output, const char *directory, struct place *place, struct download *download)
{
        char path[sizeof place->directory];
        int length;

        if (!strcmp(output, "-") || !strcmp(output, "/dev/stdout")) {
                place->target = TO_OUTPUT;
                return NULL;
        }
        if (output[0] == '/' && directory)
                return "a whole path, and --dir names another place; give one of them";
        length = snprintf(path, sizeof path, "%s%s%s", directory ? directory : "", directory ? "/" : "", output);
        return length >= (int)sizeof path ? "too long" : split(path, place, download);
}
