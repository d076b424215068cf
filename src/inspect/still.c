/* No false alarm is the rule. So each thread of the process, as the kernel lists them, must be one whose loop sleeps (or the
 * watchdog, or the monitor of the process engine); any other, a thread of the program's own or of another library, may be about to
 * set an event. No loop may have a strand that is ready, a timer, or a descriptor that somebody waits for; nothing may be away in a
 * worker process; no pool may be in the midst of being closed. A worker process is never judged: its parent can reach it.
 *
 * A thread of a pool without work is neither hope nor trouble: its timer only says when it ends. */
#define _GNU_SOURCE
#include "inspect/still.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/sys.h"
#include "core/strand.h"
#include "process/port.h"
#include "process/worker.h"

enum { ENTRIES = 4096 };

struct entry {                                  /* of getdents64(2) */
        uint64_t inode;
        int64_t offset;
        uint16_t length;
        uint8_t type;
        char name[];
};

/* ---- threads */

static bool is_known(pid_t tid, pid_t watcher)
{
        const struct plait__loop *loop;

        for (loop = plait__loop_all(); loop; loop = loop->next)
                if (plait__load_acquire(&loop->outside.alive) && loop->outside.tid == tid)
                        return true;
        return tid == watcher;
}

static bool all_known(const char *entries, long size, pid_t watcher)
{
        const struct entry *entry;
        long at;

        for (at = 0; at < size; at += entry->length) {
                entry = (const void *)(entries + at);
                if (entry->name[0] != '.' && !is_known(atoi(entry->name), watcher))
                        return false;
        }
        return true;
}

/* Whether the process has no thread but those of loops and the watchdog. */
static bool threads_known(pid_t watcher)
{
        _Alignas(8) char entries[ENTRIES];
        int fd = (int)plait__sys.openat(AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        bool known = fd >= 0;
        long size = 1;

        while (known && (size = plait__sys.getdents64(fd, entries, sizeof entries)) > 0)
                known = all_known(entries, size, watcher);
        if (fd >= 0)
                plait__sys.close(fd);
        return known && size == 0;
}

/* ---- loops */

/* The main line of a pool's thread, without a task. */
static PLAIT__LOOKS_ON bool has_no_work(const struct plait__loop *loop)
{
        return loop->line == &loop->main->strand && loop->line->parked && loop->line->reason == PLAIT__ON_WORK;
}

static PLAIT__LOOKS_ON bool has_hope(const struct plait__loop *loop)
{
        unsigned timers = loop->timers.count;

        if (timers && has_no_work(loop) && loop->line->timer.place)
                timers--;
        return timers || loop->outside.watches;
}

PLAIT__LOOKS_ON bool plait__all_still(uint64_t *ret_when)
{
        const struct plait__loop *loop;
        uint64_t when = 0;

        if (plait__in_worker || plait__ports_away())
                return false;
        for (loop = plait__loop_all(); loop; loop = loop->next) {
                if (!plait__load_acquire(&loop->outside.alive) || plait__load(&loop->outside.helper))
                        continue;
                if (plait__load(&loop->inbox) != PLAIT__SLEEPS || has_hope(loop))
                        return false;
                when = when * 31 + loop->outside.looks + (uint64_t)loop->outside.tid;
        }
        *ret_when = when;
        return true;
}

/* With the world stopped. */
static bool loops_stuck(void)
{
        const struct plait__loop *loop;

        for (loop = plait__loop_all(); loop; loop = loop->next) {
                if (!plait__load_acquire(&loop->outside.alive) || plait__load(&loop->outside.helper))
                        continue;
                if (!plait__world_has(loop) || loop->ready || plait__load(&loop->inbox) || has_hope(loop))
                        return false;
        }
        return true;
}

/* ---- strands */

bool plait__waits_for_others(const struct plait__seen *seen)
{
        return seen->state == PLAIT__SEEN_PARKED && seen->kind != PLAIT__SEEN_SERVICE && seen->reason != PLAIT__ON_WORK;
}

/* Whoever waits for tasks waits for what those wait for. If that is only the end of a sleep without end, it is meant so: the
 * program lives until it is killed. */
static bool strands_stuck(const struct plait__all_seen *all)
{
        bool sleeps = false, stuck = false, waits = false;
        const struct plait__seen *seen;

        for (seen = all->strands; seen < all->strands + all->count; seen++) {
                if (seen->state != PLAIT__SEEN_PARKED || seen->kind == PLAIT__SEEN_AWAY ||
                    seen->reason == PLAIT__ON_CLOSE)
                        return false;
                if (!plait__waits_for_others(seen))
                        continue;
                waits = true;
                sleeps |= seen->reason == PLAIT__ON_SLEEP;
                stuck |= seen->reason != PLAIT__ON_SLEEP && seen->reason != PLAIT__ON_GROUP &&
                         seen->reason != PLAIT__ON_TASK;
        }
        return stuck || (waits && !sleeps);
}

bool plait__all_stuck(const struct plait__all_seen *all, pid_t watcher)
{
        return !plait__ports_away() && loops_stuck() && threads_known(watcher) && strands_stuck(all);
}
