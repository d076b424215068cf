/* The memory that each run begins with: the program's variables but the explorer's own, what was allocated, and the
 * task records. */
#include "explore.h"

#include <string.h>
#include <sys/mman.h>

enum { RANGES = 64, HEAP = 64 << 20 };

extern char __data_start, _end, __start_explorer_own, __stop_explorer_own; /* the linker's */

static OWN struct range {
        char *start, *end, *copy;
} ranges[RANGES];
static OWN struct {
        char *low, *high;
} skips[RANGES];
static OWN unsigned count, skip_count;
static OWN char *heap, *heap_at, *heap_base;

void *image_map(size_t size)
{
        void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (memory == MAP_FAILED)
                fail("no memory");
        return memory;
}

static void add(char *start, char *end)
{
        if (start >= end)
                return;
        if (count == RANGES)
                fail("too many ranges of memory");
        ranges[count++] = (struct range){start, end, NULL};
}

void image_begin(void)
{
        heap = heap_at = image_map(HEAP);
        memory_region('d', &__data_start, (size_t)(&_end - &__data_start));
        memory_region('h', heap, HEAP);
}

void image_add(void *start, size_t size)
{
        add(start, (char *)start + size);
}

void image_skip(void *start, size_t size)
{
        if (skip_count == RANGES)
                fail("too many ranges of memory");
        skips[skip_count].low = start;
        skips[skip_count++].high = (char *)start + size;
}

static void leave_out(char *low, char *high)
{
        unsigned i, n = count;

        for (i = 0; i < n; i++) {
                struct range whole = ranges[i];

                if (high <= whole.start || low >= whole.end)
                        continue;
                ranges[i].end = low > whole.start ? low : whole.start;
                add(high, whole.end);
        }
}

void image_take(void)
{
        unsigned i;
        size_t size;

        image_add(&__data_start, (size_t)(&_end - &__data_start));
        image_add(heap, (size_t)(heap_at - heap));
        image_add(plait__records.records, plait__load(&plait__records.count) * sizeof *plait__records.records);
        image_skip(&__start_explorer_own, (size_t)(&__stop_explorer_own - &__start_explorer_own));
        for (i = 0; i < skip_count; i++)
                leave_out(skips[i].low, skips[i].high);
        for (i = 0; i < count; i++) {
                size = (size_t)(ranges[i].end - ranges[i].start);
                ranges[i].copy = image_map(size + 1);
                memcpy(ranges[i].copy, ranges[i].start, size);
        }
        heap_base = heap_at;
}

void image_restore(void)
{
        unsigned i;

        for (i = 0; i < count; i++)
                memcpy(ranges[i].start, ranges[i].copy, (size_t)(ranges[i].end - ranges[i].start));
        heap_at = heap_base;
}

void *image_alloc(size_t size)
{
        char *memory;

        memory = heap_at;
        heap_at += (size + 63) & ~(size_t)63;
        if (heap_at > heap + HEAP)
                fail("a run allocates without end");
        memset(memory, 0, size);
        return memory;
}
