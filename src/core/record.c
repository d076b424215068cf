#define _GNU_SOURCE
#include "core/record.h"

#include <string.h>
#include <sys/mman.h>

#include "base/atomic.h"
#include "base/reserve.h"
#include "base/sys.h"
#include "core/loop.h"

enum {
        ROOM = 1 << 24,                         /* records whose addresses are reserved, at most */
        STEP = 512,                             /* made usable at a time: whole pages, whatever sanitizers add to a record */
        STOCK = 64,                             /* given to a loop at a time */
        STOCK_MAX = 4096                        /* a loop that has more gives half of it back */
};

_Static_assert(sizeof(struct plait__strand) == 160 && (sizeof(struct plait_task) == 256 || sizeof(struct plait__fiber) > 16),
               "four cache lines: 1,000,000 sleeping coroutines at 4.4 KiB each leave room for 256 bytes");

struct plait__record_table plait__records = {.magic = "plait", .version = PLAIT__RECORD_VERSION, .record_size = sizeof(struct plait_task)};

void (*plait__locals_end)(struct plait_task *task);

static plait__spin guard;                       /* of all below, and of the table's growth */
static uint32_t usable;
static struct plait_task *returned;             /* free records that no loop has */

static struct plait_task *next_of(struct plait_task *task)
{
        return plait__task_of(task->strand.next);
}

static int table_reserve(void)
{
        size_t size = (size_t)ROOM * sizeof(struct plait_task);

        plait__records.records = plait__reserve(&size, STEP * sizeof(struct plait_task), 16);
        plait__records.room = (uint32_t)(size / sizeof(struct plait_task));
        if (!plait__records.records)
                return -1;
        plait__tools_root(plait__records.records, size);        /* values of threads that live as long as the process */
        return 0;
}

/* One record more; NULL: no memory. */
static struct plait_task *table_grow(void)
{
        uint32_t count = plait__load(&plait__records.count);
        struct plait_task *records;

        if (!plait__records.records && table_reserve() < 0)
                return NULL;
        records = plait__records.records;
        if (count == usable) {
                if (usable + STEP > plait__records.room ||
                    plait__sys.mprotect(records + usable, STEP * sizeof *records, PROT_READ | PROT_WRITE) < 0)
                        return NULL;
                usable += STEP;
        }
        plait__store_release(&plait__records.count, count + 1);        /* pairs with readers outside */
        return &records[count];
}

static void refill(struct plait__loop *loop)
{
        struct plait_task *task;
        int i;

        plait__spin_acquire(&guard);
        for (i = 0; i < STOCK; i++) {
                task = returned;
                if (task)
                        returned = next_of(task);
                else if (!(task = table_grow()))
                        break;
                task->strand.next = loop->records ? &loop->records->strand : NULL;
                loop->records = task;
                loop->record_count++;
        }
        plait__spin_release(&guard);
}

static void give_back(struct plait__loop *loop, size_t count)
{
        struct plait_task *task;

        plait__spin_acquire(&guard);
        while (count-- && (task = loop->records)) {
                loop->records = next_of(task);
                loop->record_count--;
                task->strand.next = returned ? &returned->strand : NULL;
                returned = task;
        }
        plait__spin_release(&guard);
}

static uint64_t new_id(struct plait__loop *loop)
{
        static _Atomic uint64_t ids;

        if (loop->next_id == loop->last_id) {
                loop->next_id = atomic_fetch_add_explicit(&ids, 1024, memory_order_relaxed);
                loop->last_id = loop->next_id + 1024;
        }
        return ++loop->next_id;
}

/* By cache lines: for the whole record gcc would take a string instruction, whose start-up alone costs 15 ns. */
static inline void zero(struct plait_task *task)
{
        char *bytes = (char *)task;
        size_t i;

        for (i = 0; i + 64 <= sizeof *task; i += 64)
                memset(bytes + i, 0, 64);
        memset(bytes + i, 0, sizeof *task % 64);
}

struct plait_task *plait__record_new(struct plait__loop *loop)
{
        struct plait_task *task = loop->records;

        if (plait__unlikely(!task)) {
                refill(loop);
                task = loop->records;
                if (!task)
                        return NULL;
        }
        loop->records = next_of(task);
        loop->record_count--;
        zero(task);
        task->strand.loop = loop;
        task->strand.deadline = PLAIT_FOREVER;
        task->id = new_id(loop);
        task->since = loop->now;
        return task;
}

void plait__record_free(struct plait__loop *loop, struct plait_task *task)
{
        if (plait__unlikely(task->extra != NULL))
                plait__sys.free(task->extra);
        if (plait__unlikely(task->strand.flags & PLAIT__OWN_BYTES))
                plait__sys.free(task->arg);
        if (plait__unlikely(plait__load(&task->strand.remote)))
                plait__loop_drain(loop);        /* the last wake-up of a strand that has ended */
        if (plait__unlikely(plait__load(&task->strand.cancelled)))
                plait__strand_uncancel(&task->strand);
        plait__store(&task->strand.state, PLAIT__FREE);
        task->strand.next = loop->records ? &loop->records->strand : NULL;
        loop->records = task;
        if (plait__unlikely(++loop->record_count > STOCK_MAX))
                give_back(loop, STOCK_MAX / 2);
}

void plait__record_stock_return(struct plait__loop *loop)
{
        give_back(loop, loop->record_count);
}

struct plait__extra *plait__record_extra(struct plait_task *task)
{
        if (!task->extra)
                task->extra = plait__sys.alloc(sizeof *task->extra);
        return task->extra;
}

const char *plait__reason_words(enum plait__reason reason)
{
        static const char *const words[] = {
                [PLAIT__NOT_PARKED] = "nothing",
                [PLAIT__ON_SLEEP] = "a moment",
                [PLAIT__ON_LOCK] = "a lock",
                [PLAIT__ON_RWLOCK] = "a lock of readers and writers",
                [PLAIT__ON_QUEUE] = "a queue",
                [PLAIT__ON_EVENT] = "an event",
                [PLAIT__ON_CONDITION] = "a condition",
                [PLAIT__ON_SEMAPHORE] = "a semaphore",
                [PLAIT__ON_BARRIER] = "a barrier",
                [PLAIT__ON_ONCE] = "another's run of a once",
                [PLAIT__ON_FUTURE] = "a future",
                [PLAIT__ON_SELECT] = "one of several",
                [PLAIT__ON_READ] = "something to read",
                [PLAIT__ON_WRITE] = "room to write",
                [PLAIT__ON_POLL] = "descriptors",
                [PLAIT__ON_SIGNAL] = "a signal",
                [PLAIT__ON_TASK] = "a task",
                [PLAIT__ON_GROUP] = "its group",
                [PLAIT__ON_GIL] = "a gil",
                [PLAIT__ON_WORK] = "work",
                [PLAIT__ON_HTTP] = "an HTTP response",
                [PLAIT__ON_CLOSE] = "an executor's tasks, to close it",
        };

        return (size_t)reason < sizeof words / sizeof words[0] && words[reason] ? words[reason] : "something";
}
