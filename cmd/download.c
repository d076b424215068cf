/* One download: the body comes into memory, then into the part, a file that nobody else has, which becomes NAME when all
 * of it is there.
 *
 * The final name is replaced if it is a file, and refused if it is anything else: a directory, a link that would lead
 * elsewhere, a pipe. Only what the user named by -o may be a pipe or a device: it is written as it is. */
#define _GNU_SOURCE
#include "get.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
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

/* Writing or opening `where` failed. */
static int fail_at(struct download *download, int rc, const char *where)
{
        const char *why = rc == -ETIMEDOUT ? "out of time while writing" :
                          rc == -ECANCELED ? "interrupted while writing" : strerror(-rc);
        const char *hint = rc == -ENOSPC || rc == -EDQUOT ? "; free some, or give another --dir" :
                           rc == -EMFILE || rc == -ENFILE ? "; see ulimit -n, or give a smaller -j" :
                           rc == -ETIMEDOUT ? "; allow more" : "";

        return fail(download, rc, "%.120s: %s%s", where, why, hint);
}

/* ---- the directory */

static int open_directory(const struct place *place)
{
        int fd = open(place->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int check_target(struct download *download, int directory)
{
        struct stat status;

        if (faccessat(directory, ".", W_OK | X_OK, AT_EACCESS) < 0)
                return -errno;
        if (fstatat(directory, download->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (S_ISREG(status.st_mode))
                return 0;
        return fail(download, -EEXIST, "%.100s: is there already, and is %s; remove it, or give another name by -o",
                    download->name, S_ISDIR(status.st_mode) ? "a directory" :
                                    S_ISLNK(status.st_mode) ? "a symbolic link" : "not a file");
}

/* The directory, in which the file can be made, as far as one can know; or a negative errno, and it is told. */
static int open_target(struct download *download, const struct place *place)
{
        int fd = open_directory(place), rc = fd < 0 ? fd : check_target(download, fd);

        if (rc < 0 && fd >= 0)
                close(fd);
        if (rc < 0)
                return download->error[0] ? rc : fail_at(download, rc, place->directory);
        return fd;
}

/* ---- the file */

static int write_body(int fd, const plait_response *response)
{
        size_t done = 0, left;
        ssize_t n;
        int rc = 0;

        while (done < response->length && (rc = plait_cancelled()) == 0) {
                left = response->length - done;
                n = write(fd, response->body + done, left < PIECE ? left : PIECE);
                if (n < 0 && errno != EINTR)
                        return -errno;
                done += n > 0 ? (size_t)n : 0;
        }
        return rc;
}

static int write_part(const struct download *download, int directory, const plait_response *response)
{
        int fd = openat(directory, download->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), rc;

        if (fd < 0)
                return -errno;
        rc = write_body(fd, response);
        if (close(fd) < 0 && rc == 0)
                rc = -errno;                    /* some file systems say only now that the disk is full */
        if (rc == 0 && renameat(directory, download->part, directory, download->name) < 0)
                rc = -errno;
        if (rc < 0)
                unlinkat(directory, download->part, 0);
        return rc;
}

static int save(struct download *download, const struct place *place, const plait_response *response)
{
        int directory = open_target(download, place), rc;

        if (directory < 0)
                return directory;
        rc = write_part(download, directory, response);
        close(directory);
        return rc < 0 ? fail_at(download, rc, download->name) : 0;
}

/* ---- what is no file */

/* A pipe that nobody reads yet is waited for. */
static int open_device(const char *path)
{
        struct stat status;
        int fd, rc;

        while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) < 0) {
                if (errno != ENXIO || stat(path, &status) < 0 || !S_ISFIFO(status.st_mode))
                        return -errno;
                rc = plait_sleep(20 * PLAIT_MS);
                if (rc < 0)
                        return rc;
        }
        return fd;
}

static int write_stream(int fd, const plait_response *response)
{
        size_t done = 0;
        ssize_t n;

        for (; done < response->length; done += (size_t)n) {
                n = plait_write(fd, response->body + done, response->length - done);
                if (n < 0)
                        return (int)n;
        }
        return 0;
}

static int pour(struct download *download, const struct place *place, const plait_response *response)
{
        char path[sizeof place->directory + sizeof download->name];
        int fd, rc;

        if (place->target == TO_OUTPUT) {
                rc = write_stream(STDOUT_FILENO, response);
                return rc < 0 ? fail_at(download, rc, "standard output") : 0;
        }
        snprintf(path, sizeof path, "%s/%s", place->directory, download->name);
        fd = rc = open_device(path);
        if (fd >= 0) {
                rc = write_stream(fd, response);
                plait_ignore(plait_close(fd));
        }
        return rc < 0 ? fail_at(download, rc, path) : 0;
}

/* ---- the task */

static int fetch(struct download *download, plait_response *ret)
{
        int rc = plait_http_get(download->url, ret);

        download->status = ret->status;
        if (rc < 0)
                return fail(download, rc, "%s", ret->error);
        if (ret->status / 100 != 2 || ret->status == 206)
                return fail(download, -ENOENT, "%.100s: the server says %d%s", download->url, ret->status,
                            ret->status == 404 ? ", not found" : ret->status == 206 ? ", a part only" :
                            ret->status >= 500 ? "; try again later" : "");
        return 0;
}

static int fetch_into(struct download *download, const struct place *place)
{
        PLAIT_WITHIN(place->within);
        plait_response response = {0};
        int rc = place->target == TO_FILE ? open_target(download, place) : 0;

        if (rc >= 0 && place->target == TO_FILE)
                close(rc);                      /* it was worth asking before anything is fetched */
        if (rc >= 0)
                rc = fetch(download, &response);
        if (rc >= 0)
                rc = (place->target == TO_FILE ? save : pour)(download, place, &response);
        if (rc >= 0)
                download->bytes = response.length;
        plait_response_done(&response);
        return rc;
}

int download(void *arg)
{
        struct download *self = arg;
        plait_time began = plait_now();
        int rc;

        if (self->error[0])
                return -EINVAL;                 /* refused before it began */
        rc = fetch_into(self, plait_task_common());
        self->took = plait_now() - began;
        return rc;
}

void download_clean(const struct download *download, const struct place *place)
{
        int directory = place->target == TO_FILE && download->part[0] ? open_directory(place) : -1;

        if (directory < 0)
                return;
        unlinkat(directory, download->part, 0);
        close(directory);
}
