/* The region is a memfd of up to 64 GiB of addresses, of which memory is taken as it is touched; under RLIMIT_AS and RLIMIT_FSIZE
 * less, at least 16 MiB (ftruncate() beyond RLIMIT_FSIZE would kill the process: it is looked at first). A struct, or the
 * array of a map with 4 bytes an item, that does not fit into what is left of it gets -ENOMEM. It lies at one of a few fixed
 * addresses, so that a later shared heap can hold pointers; an address that the kernel chose was taken in 6 % of the workers.
 *
 * The arena hands out blocks of powers of two and never moves or joins them. What describes the blocks is the parent's own: a
 * task that writes past its struct can spoil other tasks' bytes, but not the parent's lists. Free blocks
 * keep their pages, since a first touch costs seven times the copy, up to 256 MiB in all. */
#define _GNU_SOURCE
#include "process/region.h"

#include <errno.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/sys.h"
#include "core/loop.h"
#include "process/monitor.h"
#include "process/start.h"

#define REGION_MAX ((uint64_t)64 << 30)
#define REGION_MIN ((uint64_t)16 << 20)
#define KEEP_MAX ((uint64_t)256 << 20)
#define STEP ((uint64_t)16 << 20)
#define BLOCK_MIN 512

struct plait__region plait__region;

/* ---- the arena; with the region locked */

struct block { uint64_t offset; struct block *next; unsigned class; bool keeps; };

enum { CLASSES = 40, HASH = 4096 };             /* BLOCK_MIN << CLASSES is more than any region */

static uint64_t unused;                         /* the arena from here on was never handed out */
static uint64_t usable;                         /* the region from here on is no memory yet */
static uint64_t kept;                           /* bytes of free blocks that keep their pages */
static struct block *free_blocks[CLASSES];
static struct block *taken_blocks[HASH];        /* by offset */

static struct block **taken_place(uint64_t offset)
{
        return &taken_blocks[offset / BLOCK_MIN * UINT64_C(0x9e3779b97f4a7c15) >> 52];
}

/* Only what is used can be read and written: valgrind's search for leaks reads all that can be. */
static int make_usable(void *region, uint64_t from, uint64_t to, uint64_t size)
{
        long rc;

        to = (to + STEP - 1) / STEP * STEP;
        if (to > size)
                to = size;
        rc = plait__sys.mprotect((char *)region + from, to - from, PROT_READ | PROT_WRITE);
        if (rc == 0)
                usable = to;
        return (int)rc;
}

static struct block *carve(unsigned class)
{
        struct plait__region_head *head = plait__region.head;
        uint64_t size = (uint64_t)BLOCK_MIN << class;
        struct block *block;

        if (head->card.size - unused < size)
                return NULL;
        if (unused + size > usable && make_usable(head, usable, unused + size, head->card.size) < 0)
                return NULL;
        block = plait__sys.alloc(sizeof *block);
        if (!block)
                return NULL;
        block->offset = unused;
        block->class = class;
        unused += size;
        return block;
}

uint64_t plait__arena_take(uint64_t size)
{
        struct block *block, **place;
        unsigned class = 0;

        while (class < CLASSES && (uint64_t)BLOCK_MIN << class < size)
                class++;
        if (class == CLASSES)
                return 0;
        block = free_blocks[class];
        if (block) {
                free_blocks[class] = block->next;
                kept -= block->keeps ? (uint64_t)BLOCK_MIN << class : 0;
        } else if (!(block = carve(class))) {
                return 0;
        }
        place = taken_place(block->offset);
        block->next = *place;
        *place = block;
        return block->offset;
}

void plait__arena_give(uint64_t offset)
{
        struct block **place = taken_place(offset), *block;
        uint64_t size, kept_before = kept;

        if (!offset)
                return;
        while ((*place)->offset != offset)
                place = &(*place)->next;
        block = *place;
        *place = block->next;
        size = (uint64_t)BLOCK_MIN << block->class;
        if (kept + size > KEEP_MAX)
                plait__sys.madvise(plait__at(plait__region.head, offset), size, MADV_REMOVE);
        else
                kept += size;
        block->keeps = kept_before != kept;
        block->next = free_blocks[block->class];
        free_blocks[block->class] = block;
}

/* ---- jobs */

int plait__job_take(struct plait__pool *pool)
{
        struct plait__region *region = &plait__region;
        struct plait__posted *posted;
        unsigned job;

        if (!region->free_job_count)
                return -1;
        job = region->free_jobs[--region->free_job_count];
        posted = &region->posted[job];
        memset(posted, 0, sizeof *posted);
        posted->pool = pool;
        posted->kill_at = PLAIT_FOREVER;
        return (int)job;
}

void plait__job_give(unsigned job)
{
        struct plait__region *region = &plait__region;

        plait__job(job)->gen++;
        plait__arena_give(region->posted[job].block);
        region->posted[job].pool = NULL;
        region->free_jobs[region->free_job_count++] = (uint16_t)job;
}

/* ---- making it */

static uint64_t limit_of(int resource)
{
        struct rlimit limit;

        if (plait__sys.prlimit64(0, resource, NULL, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
                return UINT64_MAX;
        return limit.rlim_cur;
}

static uint64_t size_allowed(void)
{
        uint64_t files = limit_of(RLIMIT_FSIZE), addresses = limit_of(RLIMIT_AS), size = REGION_MAX;

        while (size > files || size > addresses / 4)
                size /= 2;
        return size;
}

static void *map_region(int fd, uint64_t size)
{
        static const uintptr_t candidates[] = {0x200000000000, 0x100000000000, 0x10000000000, 0x7e8000000000, 0};
        unsigned i;
        long at;

        for (i = 0; i < sizeof candidates / sizeof *candidates; i++) {
                at = plait__sys.mmap((void *)candidates[i], size, PROT_NONE,
                                     MAP_SHARED | MAP_NORESERVE | (candidates[i] ? MAP_FIXED_NOREPLACE : 0), fd, 0);
                if (at < 0 && at > -4096)
                        continue;
                if (candidates[i] && (uintptr_t)at != candidates[i]) {
                        plait__sys.munmap((void *)at, size);    /* a kernel before 4.17 took it for a wish */
                        continue;
                }
                plait__sys.madvise((void *)at, size, MADV_DONTDUMP);    /* a core file would take in all of it */
                return (void *)at;
        }
        return NULL;
}

static int map_somewhere(int fd, uint64_t *size, void **ret)
{
        int rc;

        for (*size = size_allowed(); *size >= REGION_MIN; *size /= 2) {
                rc = (int)plait__sys.ftruncate(fd, (long)*size);
                if (rc < 0)
                        return rc;
                *ret = map_region(fd, *size);
                if (*ret)
                        return 0;
        }
        return -ENOMEM;
}

static void fill(struct plait__region *region, void *memory, uint64_t size)
{
        struct plait__region_head *head = memory;
        int i;

        head->card.magic = PLAIT__REGION_MAGIC;
        head->card.size = size;
        head->card.address = (uintptr_t)memory;
        head->card.parent = (uint32_t)plait__sys.getpid();
        head->card.job_bytes = sizeof(struct plait__job);
        unused = (sizeof *head + 4095) & ~UINT64_C(4095);
        for (i = PLAIT__JOBS - 1; i >= 0; i--)
                region->free_jobs[region->free_job_count++] = (uint16_t)i;
        region->head = head;
}

static int make(struct plait__region *region)
{
        const char *path;
        uint64_t size;
        void *memory;
        int rc;

        rc = plait__start_path(&path);          /* before anything is made */
        if (rc < 0)
                return rc;
        region->memfd = rc = (int)plait__sys.memfd_create("plait", MFD_CLOEXEC);
        if (rc < 0)
                return rc;
        rc = map_somewhere(region->memfd, &size, &memory);
        if (rc < 0)
                goto no_memory;
        region->monitor_fd = rc = (int)plait__sys.eventfd2(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (rc < 0)
                goto no_eventfd;
        rc = make_usable(memory, 0, sizeof *region->head + STEP, size);
        if (rc < 0)
                goto no_monitor;
        fill(region, memory, size);
        rc = plait__monitor_start();
        if (rc == 0)
                return 0;
        region->head = NULL;
        region->free_job_count = 0;
no_monitor:
        plait__sys.close(region->monitor_fd);
no_eventfd:
        plait__sys.munmap(memory, size);
no_memory:
        plait__sys.close(region->memfd);
        return rc;
}

int plait__region_need(void)
{
        static plait__spin first;               /* the second caller waits for the first */
        static _Atomic bool made;
        int rc;

        if (plait__likely(plait__load_acquire(&made)))  /* pairs with the store below */
                return 0;
        plait__spin_acquire(&first);
        rc = plait__load(&made) ? 0 : make(&plait__region);
        if (rc == 0)
                plait__store_release(&made, true);
        plait__spin_release(&first);
        return rc;
}
