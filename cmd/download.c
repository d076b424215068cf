/* One download: the body comes into memory, then into NAME.part, which becomes NAME when all of it is there. The part
 * is locked while it is written, so that one left behind by a program that was killed is told from one that is being
 * written.
 *
 * The final name is replaced if it is a file, and refused if it is anything else: a directory, a link that would lead
 * elsewhere, a pipe. */
#define _GNU_SOURCE
#include "get.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <plait/http.h>

enum { PIECE = 1 << 20 };                       /* written between two looks at cancel */

__attribute__((format(printf, 3, 4)))
static int fail(struct download *download, int rc, const char *format, ...)
{
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(download->error, sizeof download->error, format, arguments);
        va_end(arguments);
        return rc;
}

/* ---- the file */

static void part_of(const struct download *download, char *ret, size_t size)
{
        snprintf(ret, size, "%s.part", download->name);
}

static int check_target(struct download *download, int directory)
{
        struct stat status;

        if (fstatat(directory, download->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : fail(download, -errno, "%.100s: %s", download->name, strerror(errno));
        if (S_ISREG(status.st_mode))
                return 0;
        return fail(download, -EEXIST, "%.100s: is there already, and is %s; remove it, or give another name by -o",
                    download->name, S_ISDIR(status.st_mode) ? "a directory" :
                                    S_ISLNK(status.st_mode) ? "a symbolic link" : "not a file");
}

/* Whether the locked descriptor is still what the name says: another program may have finished with it meanwhile. */
static bool is_still(int fd, int directory, const char *part)
{
        struct stat ours, there;

        return fstat(fd, &ours) == 0 && fstatat(directory, part, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
               S_ISREG(there.st_mode) && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino &&
               ours.st_nlink == 1;
}

/* The part, empty and locked; or a negative errno: -EBUSY, somebody writes it; -EEXIST, it is no file. */
static int open_part(int directory, const char *part)
{
        int fd = openat(directory, part, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666), rc = 0;

        if (fd < 0)
                return errno == ELOOP || errno == EISDIR || errno == ENXIO ? -EEXIST : -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
        else if (!is_still(fd, directory, part))
                rc = -EEXIST;
        else if (ftruncate(fd, 0) < 0)
                rc = -errno;
        if (rc < 0)
                close(fd);
        return rc < 0 ? rc : fd;
}

static int write_body(int fd, const char *body, size_t size)
{
        size_t done = 0;
        ssize_t n;
        int rc = 0;

        while (done < size && (rc = plait_cancelled()) == 0) {
                n = write(fd, body + done, size - done < PIECE ? size - done : PIECE);
                if (n < 0 && errno != EINTR)
                        return -errno;
                done += n > 0 ? (size_t)n : 0;
        }
        return rc;
}

/* Some file systems say only at the closing that the disk is full; the lock stays with the other descriptor. */
static int close_copy(int fd)
{
        int copy = dup(fd);

        return copy < 0 || close(copy) < 0 ? -errno : 0;
}

static int save(struct download *download, int directory, const plait_response *response)
{
        char part[sizeof download->name + 8];
        int fd, rc;

        part_of(download, part, sizeof part);
        rc = check_target(download, directory);
        if (rc < 0)
                return rc;
        fd = open_part(directory, part);
        if (fd == -EBUSY)
                return fail(download, fd, "%.100s: another program is writing it", part);
        if (fd < 0)
                return fail(download, fd, "%.100s: %s", part,
                            fd == -EEXIST ? "is there already, and is not a file; remove it" : strerror(-fd));
        rc = write_body(fd, response->body, response->length);
        if (rc == 0)
                rc = close_copy(fd);
        if (rc == 0 && renameat(directory, part, directory, download->name) < 0)
                rc = -errno;
        if (rc < 0)
                unlinkat(directory, part, 0);
        close(fd);
        if (rc < 0)
                return fail(download, rc, "%.100s: %s%s", download->name, strerror(-rc),
                            rc == -ENOSPC || rc == -EDQUOT ? "; free some, or give another --dir" : "");
        return 0;
}

/* ---- the task */

static int fetch(struct download *download, const struct place *place, plait_response *ret)
{
        PLAIT_WITHIN(place->within);
        int rc = plait_http_get(download->url, ret);

        download->status = ret->status;
        if (rc < 0)
                return fail(download, rc, "%s", ret->error);
        if (ret->status >= 400)
                return fail(download, -ENOENT, "%.100s: the server says %d%s", download->url, ret->status,
                            ret->status == 404 ? ", not found" : ret->status >= 500 ? "; try again later" : "");
        return 0;
}

static int fetch_into(struct download *download, const struct place *place, int directory)
{
        plait_response response = {0};
        int rc = check_target(download, directory);

        if (rc == 0)
                rc = fetch(download, place, &response);
        if (rc == 0)
                rc = save(download, directory, &response);
        if (rc == 0)
                download->bytes = response.length;
        plait_response_done(&response);
        return rc;
}

static int open_directory(const struct place *place)
{
        int fd = open(place->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

int download(void *arg)
{
        struct download *self = arg;
        const struct place *place = plait_task_common();
        plait_time began = plait_now();
        int directory, rc;

        if (self->error[0])
                return -EINVAL;                 /* refused before it began */
        directory = open_directory(place);
        if (directory < 0)
                return fail(self, directory, "%.150s: %s", place->directory, strerror(-directory));
        rc = fetch_into(self, place, directory);
        close(directory);
        self->took = plait_now() - began;
        return rc;
}

void download_clean(const struct download *download, const struct place *place)
{
        char part[sizeof download->name + 8];
        int directory = open_directory(place), fd;

        part_of(download, part, sizeof part);
        fd = directory < 0 ? -1 : openat(directory, part, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && is_still(fd, directory, part))
                unlinkat(directory, part, 0);
        if (fd >= 0)
                close(fd);
        if (directory >= 0)
                close(directory);
}
