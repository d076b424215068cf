/* Reading records. Those of loops that stand still are read as they are. What belongs to a thread that goes on is read as a tool
 * outside the process would: its record is always there (record.h), but a group or a name may go while it is looked at, so these
 * are asked of the kernel, which refuses what is not there, and count only if the task is still the same and has not ended
 * afterwards: until then its group is open. */
#define _GNU_SOURCE
#include "inspect/seen.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/switch.h"
#include "base/clock.h"
#include "base/sys.h"
#include "core/strand.h"
#include "inspect/interrupt.h"
#include "plait/queue.h"
#include "process/region.h"
#include "sync/lock.h"
#include "task/executor.h"
#include "task/group.h"

enum { PAGE = 4096 };

/* ---- memory that may not be there */

/* Not memcpy(), which the thread sanitizer has replaced. */
static PLAIT__LOOKS_ON void copy(char *to, const volatile char *from, size_t size)
{
        while (size--)
                *to++ = *from++;
}

static PLAIT__LOOKS_ON void copy_text(char to[PLAIT__NAME_SEEN], const volatile char *from)
{
        size_t i;

        for (i = 0; i < PLAIT__NAME_SEEN - 1 && from[i]; i++)
                to[i] = from[i];
        to[i] = 0;
}

/* Where the kernel refuses that call (some containers, emulators) another one reads the memory for it. */
static bool peek_by_file(void *to, const void *from, size_t size)
{
        int fd = (int)plait__sys.memfd_create("plait", MFD_CLOEXEC);
        bool done;

        if (fd < 0)
                return false;
        done = plait__sys.write(fd, from, size) == (long)size && plait__sys.pread64(fd, to, size, 0) == (long)size;
        plait__sys.close(fd);
        return done;
}

/* `still`: it is surely there. */
static bool peek(bool still, void *to, const void *from, size_t size)
{
        struct iovec here = {to, size}, there = {(void *)(uintptr_t)from, size};
        long rc;

        if (!from)
                return false;
        if (still) {
                copy(to, from, size);
                return true;
        }
        rc = plait__sys.process_vm_readv((pid_t)plait__sys.getpid(), &here, 1, &there, 1);
        if (rc == -ENOSYS || rc == -EPERM)
                return peek_by_file(to, from, size);
        return rc == (long)size;
}

/* By pieces that do not cross a page: a name may lie at the end of what is mapped. */
static void peek_text(bool still, char to[PLAIT__NAME_SEEN], const char *from)
{
        size_t done = 0, piece;

        to[0] = 0;
        if (!from)
                return;
        if (still) {
                copy_text(to, from);
                return;
        }
        while (done < PLAIT__NAME_SEEN - 1) {
                piece = PAGE - (uintptr_t)(from + done) % PAGE;
                if (piece > PLAIT__NAME_SEEN - 1 - done)
                        piece = PLAIT__NAME_SEEN - 1 - done;
                if (!peek(false, to + done, from + done, piece))
                        break;
                done += piece;
                to[done] = 0;
                if (strlen(to) < done)
                        return;
        }
        to[done] = 0;
}

/* ---- who */

static bool is_record(const struct plait_task *task)
{
        uintptr_t offset = (uintptr_t)task - (uintptr_t)plait__records.records;

        return task && offset / sizeof *task < plait__load_acquire(&plait__records.count) && offset % sizeof *task == 0;
}

static void group_name(bool still, char to[PLAIT__NAME_SEEN], const plait_group *group)
{
        plait_group seen;

        to[0] = 0;
        if (peek(still, &seen, group, sizeof seen))
                peek_text(still, to, seen.name);
}

PLAIT__LOOKS_ON void plait__see_who(struct plait__who *ret, const struct plait_task *task, bool still)
{
        int state = plait__load_acquire(&task->strand.state);
        const plait_group *group = task->group;
        struct plait__extra extra;

        ret->id = task->id;
        ret->main = state == PLAIT__MAIN;
        ret->name[0] = ret->group[0] = 0;
        if (state == PLAIT__FREE || state == PLAIT__ENDED)
                still = false;
        if (task->extra && peek(still, &extra, task->extra, sizeof extra))
                memcpy(ret->name, extra.name, sizeof extra.name);
        if (group)
                group_name(still, ret->group, group);
        if (!still &&
            (task->id != ret->id || plait__load_acquire(&task->strand.state) != state || state == PLAIT__FREE))
                ret->name[0] = ret->group[0] = 0;       /* what was read is another's, or was gone */
}

void plait__out_who(struct plait__out *out, const struct plait__who *who)
{
        plait__out(out, "#%llu", (unsigned long long)who->id);
        if (who->name[0])
                plait__out(out, " '%s'", who->name);
        else if (who->main)
                plait__out(out, " (main line)");
        else if (!who->group[0])
                plait__out(out, " (unnamed)");
        if (who->group[0])
                plait__out(out, " of group '%s'", who->group);
}

/* ---- what it waits for */

/* A strand that has begun and whose loop stands still cannot end meanwhile, nor can its group. */
static PLAIT__LOOKS_ON bool stands_still(const struct plait_task *task)
{
        int state = plait__load_acquire(&task->strand.state);
        const struct plait__loop *loop = task->strand.loop;

        return (state == PLAIT__RUNNING || state == PLAIT__MAIN) && loop && plait__world_has(loop);
}

static PLAIT__LOOKS_ON void see_group(struct plait__seen *seen, const plait_group *group)
{
        if (!group)
                return;
        group_name(true, seen->object_name, group);
        seen->object_count = plait__group_of(group)->live;
}

/* The object was set by who parks there; a noun that sets none may have left an older one. */
static void see_lock(struct plait__seen *seen, const plait_lock *lock)
{
        const struct plait_task *holder;
        plait_lock as_seen;

        if (!peek(false, &as_seen, lock, sizeof as_seen))
                return;
        holder = plait__task_of(plait__lock_holder(&as_seen));
        if (is_record(holder))
                plait__see_who(&seen->other, holder, stands_still(holder));
}

static PLAIT__LOOKS_ON void see_object(struct plait__seen *seen, const struct plait__strand *strand)
{
        const void *object = strand->object;

        switch (seen->reason) {
        case PLAIT__ON_LOCK:
                see_lock(seen, object);
                break;
        case PLAIT__ON_QUEUE:
                seen->object_count = plait_queue_size(object);
                break;
        case PLAIT__ON_GROUP:
                see_group(seen, object);
                break;
        case PLAIT__ON_TASK:
                if (is_record(object))
                        plait__see_who(&seen->other, object, stands_still(object));
                break;
        case PLAIT__ON_EVENT:
        case PLAIT__ON_RWLOCK:
        case PLAIT__ON_CONDITION:
        case PLAIT__ON_SEMAPHORE:
        case PLAIT__ON_BARRIER:
        case PLAIT__ON_ONCE:
        case PLAIT__ON_FUTURE:
                break;
        default:
                return;
        }
        seen->object = object;
}

/* ---- its stack */

static void take_frames(void *arg)
{
        struct plait__seen *seen = arg;

        seen->count = plait__frames_here(seen->frames);
}

static PLAIT__LOOKS_ON void see_stack(struct plait__seen *seen, const struct plait__strand *strand)
{
        const struct plait__loop *loop = strand->loop;
        const struct plait__visit *visit = loop == plait__loop_here ? NULL : loop->outside.visit;

        if (strand != loop->current) {
                if (!plait__switch_look(strand->context, take_frames, seen))
                        seen->no_stack = PLAIT__STACK_CANNOT;
        } else if (!visit) {
                take_frames(seen);
        } else if (visit->count) {
                seen->count = visit->count;
                memcpy(seen->frames, visit->frames, sizeof seen->frames);
        } else if (!plait__switch_look(strand->context, take_frames, seen)) {
                seen->no_stack = PLAIT__STACK_CANNOT;
        }
}

/* Of a thread that did not come: only what a signal can make it tell. */
static void see_computing(struct plait__seen *seen, struct plait__loop *loop)
{
        struct plait__sample sample;

        seen->no_stack = PLAIT__STACK_COMPUTES;
        if (!plait__interrupt(loop, &sample) || sample.who.id != seen->who.id || !sample.count)
                return;
        seen->no_stack = PLAIT__STACK_SEEN;
        seen->interrupted = true;
        seen->count = sample.count;
        memcpy(seen->frames, sample.frames, sizeof seen->frames);
}

/* ---- one strand */

static PLAIT__LOOKS_ON bool is_to_be_seen(const struct plait_task *task, int state)
{
        const struct plait__loop *loop = task->strand.loop;

        if (state == PLAIT__FREE || state == PLAIT__ENDED)
                return false;
        if (state == PLAIT__AWAY)
                return true;
        if (!loop || (state != PLAIT__NEW && !plait__load_acquire(&loop->outside.alive)))
                return false;                   /* of a thread that is about to begin, or has ended */
        return state != PLAIT__MAIN || (loop->line == &task->strand && !plait__load(&loop->outside.helper));
}

static PLAIT__LOOKS_ON enum plait__seen_kind kind_of(const struct plait_task *task, int state)
{
        if (task->strand.flags & PLAIT__SERVICE)
                return PLAIT__SEEN_SERVICE;
        if (state == PLAIT__MAIN)
                return PLAIT__SEEN_MAIN;
        if (state == PLAIT__AWAY)
                return PLAIT__SEEN_AWAY;
        if (state == PLAIT__NEW)
                return PLAIT__SEEN_TASK;
        return task->strand.stack ? PLAIT__SEEN_COROUTINE : PLAIT__SEEN_THREAD;
}

static PLAIT__LOOKS_ON void see_away(struct plait__seen *seen, const struct plait_task *task)
{
        const struct plait__posted *posted = task->strand.object;
        uintptr_t index = ((uintptr_t)posted - (uintptr_t)plait__region.posted) / sizeof *posted;

        seen->state = PLAIT__SEEN_NEW;
        if (!posted || index >= PLAIT__JOBS || plait__region.posted[index].task != task)
                return;
        seen->pid = (pid_t)plait__job((unsigned)index)->pid;
        if (seen->pid)
                seen->state = PLAIT__SEEN_RUNNING;
}

static PLAIT__LOOKS_ON void see_begun(struct plait__seen *seen, struct plait_task *task)
{
        struct plait__strand *strand = &task->strand;
        struct plait__loop *loop = strand->loop;
        bool mine = loop == plait__loop_here && strand == loop->current;

        seen->tid = loop->outside.tid;
        seen->reason = (enum plait__reason)strand->reason;
        seen->state = mine                                                 ? PLAIT__SEEN_RUNNING
                      : strand->parked                                     ? PLAIT__SEEN_PARKED
                      : strand == loop->current && !plait__world_has(loop) ? PLAIT__SEEN_RUNNING
                                                                           : PLAIT__SEEN_READY;
        if (seen->state != PLAIT__SEEN_PARKED)
                seen->reason = PLAIT__NOT_PARKED;
        if (seen->reason == PLAIT__ON_WORK) {
                seen->no_stack = PLAIT__STACK_NONE;
        } else if (plait__world_has(loop)) {
                see_object(seen, strand);
                see_stack(seen, strand);
        } else if (seen->state == PLAIT__SEEN_RUNNING) {
                see_computing(seen, loop);
        } else {
                seen->no_stack = PLAIT__STACK_COMPUTES;
        }
}

static PLAIT__LOOKS_ON void see(struct plait__seen *seen, struct plait_task *task, int state, plait_time now)
{
        struct plait__loop *loop = task->strand.loop;

        if (loop && plait__world_has(loop))
                now = loop->seams.now(loop);            /* its own clock may be another */
        plait__see_who(&seen->who, task, stands_still(task));
        seen->kind = kind_of(task, state);
        seen->no_stack = PLAIT__STACK_NONE;
        seen->age = now - task->since;
        seen->left = task->strand.deadline == PLAIT_FOREVER || state == PLAIT__NEW ? PLAIT_FOREVER
                                                                                   : task->strand.deadline - now;
        if (state == PLAIT__AWAY) {
                see_away(seen, task);
        } else if (state != PLAIT__NEW) {
                seen->no_stack = PLAIT__STACK_SEEN;
                see_begun(seen, task);
        }
}

/* ---- all of them */

/* Room for all records there are, of which only what is used becomes memory. No malloc(): a thread that does not stand still
 * may have it locked. */
static plait__spin mapping;                      /* held around both calls: the thread sanitizer does not see them */

static void make_room(struct plait__all_seen *all, size_t count)
{
        long memory;

        all->bytes = count * sizeof *all->strands;
        plait__spin_acquire(&mapping);
        memory = plait__sys.mmap(NULL, all->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                                 -1, 0);
        plait__spin_release(&mapping);
        if (memory < 0 && memory > -4096)
                return;
        all->strands = (void *)memory;
        all->room = count;
}

void plait__see_all(struct plait__all_seen *all)
{
        uint32_t count = plait__load_acquire(&plait__records.count), i;
        plait_time now = plait__clock_now();
        struct plait_task *task;
        int state;

        memset(all, 0, sizeof *all);
        if (count)
                make_room(all, count);
        for (i = 0; i < count && all->count < all->room; i++) {
                task = &plait__records.records[i];
                state = plait__load_acquire(&task->strand.state);
                if (is_to_be_seen(task, state))
                        see(&all->strands[all->count++], task, state, now);
        }
}

void plait__see_no_more(struct plait__all_seen *all)
{
        if (!all->strands)
                return;
        plait__spin_acquire(&mapping);
        plait__sys.munmap(all->strands, all->bytes);
        plait__spin_release(&mapping);
}
