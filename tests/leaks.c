#define _GNU_SOURCE
#include "leaks.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "fault.h"

static bool is_open(const struct holdings *holdings, int fd)
{
        return holdings->open[fd / 8] >> fd % 8 & 1;
}

static void take_descriptors(struct holdings *ret)
{
        DIR *directory = opendir("/proc/self/fd");
        struct dirent *entry;

        if (!directory)
                return;
        while ((entry = readdir(directory))) {
                int fd = atoi(entry->d_name);

                if (entry->d_name[0] == '.' || fd == dirfd(directory))
                        continue;
                ret->descriptors++;
                if (fd < (int)sizeof ret->open * 8)
                        ret->open[fd / 8] |= (unsigned char)(1 << fd % 8);
        }
        closedir(directory);
}

static unsigned count_threads(void)
{
        DIR *directory = opendir("/proc/self/task");
        unsigned count = 0;
        struct dirent *entry;

        if (!directory)
                return 0;
        while ((entry = readdir(directory)))
                count += entry->d_name[0] != '.';
        closedir(directory);
        return count;
}

struct process {
        pid_t pid, parent;
        bool ours;
};

/* The parent stands behind the name, which is in parentheses and may hold anything. */
static pid_t parent_of(pid_t pid)
{
        char path[64], text[512], *end;
        ssize_t length;
        int fd, parent = 0;

        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        length = read(fd, text, sizeof text - 1);
        close(fd);
        if (length <= 0)
                return 0;
        text[length] = 0;
        end = strrchr(text, ')');
        if (!end || sscanf(end + 1, " %*c %d", &parent) != 1)
                return 0;
        return parent;
}

/* Processes under this one, at any depth, those that ended and were not waited for included. */
static unsigned count_descendants(void)
{
        static struct process processes[32768];
        DIR *directory = opendir("/proc");
        size_t count = 0;
        unsigned ours = 0;
        struct dirent *entry;
        bool more;

        if (!directory)
                return 0;
        while ((entry = readdir(directory)) && count < sizeof processes / sizeof processes[0]) {
                pid_t pid = atoi(entry->d_name);

                if (pid > 0)
                        processes[count++] = (struct process){pid, parent_of(pid), pid == getpid()};
        }
        closedir(directory);
        do {
                more = false;
                for (size_t i = 0; i < count; i++)
                        for (size_t k = 0; k < count && !processes[i].ours; k++)
                                if (processes[k].ours && processes[k].pid == processes[i].parent) {
                                        processes[i].ours = more = true;
                                        ours++;
                                }
        } while (more);
        return ours;
}

void holdings_take(struct holdings *ret)
{
        memset(ret, 0, sizeof *ret);
        take_descriptors(ret);
        ret->threads = count_threads();
        ret->descendants = count_descendants();
        ret->blocks = fault_live_blocks();
}

__attribute__((format(printf, 3, 4)))
static void say(char *text, size_t size, const char *format, ...)
{
        size_t length = strlen(text);
        va_list arguments;

        if (length && length + 2 < size) {
                strcat(text, ", ");
                length += 2;
        }
        va_start(arguments, format);
        vsnprintf(text + length, size - length, format, arguments);
        va_end(arguments);
}

static void say_descriptors(const struct holdings *before, const struct holdings *now, char *text, size_t size)
{
        char path[64], target[128];

        say(text, size, "%u more descriptors", now->descriptors - before->descriptors);
        for (int fd = 0; fd < (int)sizeof now->open * 8; fd++) {
                ssize_t length;

                if (!is_open(now, fd) || is_open(before, fd))
                        continue;
                snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
                length = readlink(path, target, sizeof target - 1);
                target[length < 0 ? 0 : length] = 0;
                say(text, size, "%d -> %s", fd, target);
        }
}

static bool grew(const struct holdings *before, const struct holdings *now, char *text, size_t size)
{
        text[0] = 0;
        if (now->descriptors > before->descriptors)
                say_descriptors(before, now, text, size);
        if (now->threads > before->threads)
                say(text, size, "%u more threads", now->threads - before->threads);
        if (now->descendants > before->descendants)
                say(text, size, "%u more child processes", now->descendants - before->descendants);
        if (now->blocks > before->blocks)
                say(text, size, "%ld more blocks of memory", now->blocks - before->blocks);
        return text[0] != 0;
}

bool holdings_grew(const struct holdings *before, char *ret_what, size_t size)
{
        struct holdings now;

        for (long pause_ms = 1;; pause_ms *= 2) {
                struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000};

                holdings_take(&now);
                if (!grew(before, &now, ret_what, size))
                        return false;
                if (pause_ms > 256)
                        return true;
                nanosleep(&pause, NULL);
        }
}
