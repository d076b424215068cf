#define _GNU_SOURCE
#include "base/cpus.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Reads a small file whole; the length, or -1. */
static long read_file(const char *path, char *text, size_t size)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -1;
        n = read(fd, text, size - 1);
        close(fd);
        if (n < 0)
                return -1;
        text[n] = 0;
        return n;
}

static unsigned quota_cpus(long long quota, long long period)
{
        if (quota <= 0 || period <= 0)
                return 0;
        return (unsigned)((quota + period - 1) / period);
}

/* The quota of one cgroup folder, 0 when it sets none. */
static unsigned folder_quota(const char *folder)
{
        char path[4096], text[64];
        long long quota, period;

        if (snprintf(path, sizeof path, "%s/cpu.max", folder) < (int)sizeof path && read_file(path, text, sizeof text) > 0) {
                if (sscanf(text, "%lld %lld", &quota, &period) == 2)
                        return quota_cpus(quota, period);
                return 0;                               /* "max" */
        }
        if (snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder) >= (int)sizeof path ||
            read_file(path, text, sizeof text) <= 0 || sscanf(text, "%lld", &quota) != 1)
                return 0;
        if (snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder) >= (int)sizeof path ||
            read_file(path, text, sizeof text) <= 0 || sscanf(text, "%lld", &period) != 1)
                return 0;
        return quota_cpus(quota, period);
}

/* The smallest quota of `group` below `mount` and of every group around it; 0: none. */
static unsigned chain_quota(const char *mount, const char *group)
{
        char folder[4096];
        unsigned least = 0, found;
        size_t base = strlen(mount);
        char *slash;

        if (snprintf(folder, sizeof folder, "%s%s", mount, group) >= (int)sizeof folder)
                return 0;
        for (;;) {
                found = folder_quota(folder);
                if (found && (!least || found < least))
                        least = found;
                slash = strrchr(folder, '/');
                if (!slash || (size_t)(slash - folder) < base)
                        return least;
                *slash = 0;
        }
}

static unsigned cgroup_cpus(void)
{
        char text[4096], *line, *next, *controllers, *group;
        unsigned least = 0, found;

        if (read_file("/proc/self/cgroup", text, sizeof text) <= 0)
                return 0;
        for (line = text; line && *line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = 0;
                controllers = strchr(line, ':');
                group = controllers ? strchr(controllers + 1, ':') : NULL;
                if (!group)
                        continue;
                *group++ = 0;
                controllers++;
                if (!*controllers)
                        found = chain_quota("/sys/fs/cgroup", group);
                else if (strstr(controllers, "cpu") && !strstr(controllers, "cpuset"))
                        found = chain_quota("/sys/fs/cgroup/cpu", group);
                else
                        continue;
                if (found && (!least || found < least))
                        least = found;
        }
        return least;
}

static unsigned affinity_cpus(void)
{
        cpu_set_t set;
        int n;

        if (sched_getaffinity(0, sizeof set, &set) == 0 && (n = CPU_COUNT(&set)) > 0)
                return (unsigned)n;
        n = (int)sysconf(_SC_NPROCESSORS_ONLN);         /* more than 1024 processors: the mask does not fit */
        return n > 0 ? (unsigned)n : 1;
}

unsigned plait__cpus(void)
{
        static _Atomic unsigned known;                  /* every writer writes the same: no order needed */
        unsigned cpus = atomic_load_explicit(&known, memory_order_relaxed), quota;

        if (cpus)
                return cpus;
        cpus = affinity_cpus();
        quota = cgroup_cpus();
        if (quota && quota < cpus)
                cpus = quota;
        atomic_store_explicit(&known, cpus, memory_order_relaxed);
        return cpus;
}
