/* The simulated memory. Real memory holds the newest value of each location; older ones that a thread may still see
 * are in the location's history. What a thread has seen is a vector clock: another thread's step is before it when
 * the clock says so. */
#include "explore.h"

#include <stdio.h>
#include <string.h>

enum { RELAXED, CONSUME, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST }; /* as gcc numbers them */
enum { LOCATIONS = 1 << 12, WORDS = 1 << 16, STORES = 128, REGIONS = 16 };

typedef uint16_t by_byte __attribute__((vector_size(16)));

struct clock {
        uint16_t at[THREADS];
};

struct store {
        uint64_t value;
        struct clock release; /* what an acquire that reads it has seen after it; zeros: nothing */
        int16_t thread;       /* -1: before the threads, or ordered by plain memory */
        uint16_t clock;
};

struct location {
        const void *address;
        uint8_t users, writers; /* threads, as bits; of all runs */
        uint64_t run;           /* of what follows */
        unsigned count;
        struct store stores[STORES];
        struct {
                uint16_t clock, store;
        } reads[THREADS][STORES]; /* no thread after this may read an older store */
        unsigned read_count[THREADS];
};

/* When each thread last touched each byte of 8, by kind of access. */
struct word {
        uintptr_t key;
        uint64_t run;
        by_byte touched[ACCESSES][THREADS];
        const void *pc[2][THREADS]; /* of plain accesses */
};

static OWN struct location *locations;
static OWN struct word *words;
static OWN uint64_t run;
static OWN struct clock clocks[THREADS];
static OWN struct {
        const struct location *location;
        unsigned store;
        const void *pc;
} last[THREADS];
static OWN struct {
        char letter;
        char *start;
        size_t size;
} regions[REGIONS];
static OWN unsigned region_count;

static void prepare(void)
{
        if (locations)
                return;
        locations = image_map(LOCATIONS * sizeof *locations);
        words = image_map(WORDS * sizeof *words);
}

void memory_reset(void)
{
        unsigned i;

        prepare();
        run++;
        memset(clocks, 0, sizeof clocks);
        memset(last, 0, sizeof last);
        for (i = 0; i < THREADS; i++)
                clocks[i].at[i] = 1;
}

static void join(struct clock *to, const struct clock *from)
{
        for (unsigned i = 0; i < THREADS; i++)
                if (to->at[i] < from->at[i])
                        to->at[i] = from->at[i];
}

/* ---- races */

static struct word *word_of(uintptr_t key)
{
        size_t at = (key * 0x9e3779b97f4a7c15) >> 48;

        for (;; at = (at + 1) % WORDS) {
                if (words[at].key == key)
                        break;
                if (!words[at].key) {
                        words[at].key = key;
                        break;
                }
        }
        if (words[at].run != run) {
                words[at].run = run;
                memset(words[at].touched, 0, sizeof words[at].touched);
        }
        return &words[at];
}

/* Which kinds of access of others each kind must come after. */
static const uint8_t AFTER[ACCESSES] = {
        [PLAIN_READ] = 1 << PLAIN_WRITE | 1 << ATOMIC_WRITE,
        [PLAIN_WRITE] = 1 << PLAIN_READ | 1 << PLAIN_WRITE | 1 << ATOMIC_READ | 1 << ATOMIC_WRITE,
        [ATOMIC_READ] = 1 << PLAIN_WRITE,
        [ATOMIC_WRITE] = 1 << PLAIN_READ | 1 << PLAIN_WRITE,
};
static const char *const NAMES[ACCESSES] = {"read", "write", "atomic read", "atomic write"};

static void touch(uintptr_t key, by_byte bytes, enum access access, const void *pc)
{
        struct word *word = word_of(key);
        union {
                by_byte bytes;
                uint64_t halves[2];
        } late;
        int kind, other;

        for (kind = 0; kind < ACCESSES; kind++) {
                if (!(AFTER[access] & 1 << kind))
                        continue;
                for (other = 0; other < THREADS; other++) {
                        if (other == running)
                                continue;
                        late.bytes = (by_byte)(word->touched[kind][other] > clocks[running].at[other]) & bytes;
                        if (late.halves[0] | late.halves[1]) {
                                trace("race", (const void *)(key << 3), 0, pc);
                                if (kind <= PLAIN_WRITE) {
                                        int here = running;

                                        running = other;
                                        trace("... with", (const void *)(key << 3), 0, word->pc[kind][other]);
                                        running = here;
                                }
                                fail("a data race: thread %c's %s of %p is not ordered after thread %c's %s",
                                     'A' + running, NAMES[access], (const void *)(key << 3), 'A' + other, NAMES[kind]);
                        }
                }
        }
        word->touched[access][running] =
                (word->touched[access][running] & ~bytes) | (((by_byte){0} + clocks[running].at[running]) & bytes);
        if (access <= PLAIN_WRITE)
                word->pc[access][running] = pc;
}

static by_byte bytes_of(unsigned from, unsigned to)
{
        by_byte bytes = {0};

        for (; from < to; from++)
                bytes[from] = 0xffff;
        return bytes;
}

void memory_plain(const void *address, size_t size, enum access access, const void *pc)
{
        uintptr_t at = (uintptr_t)address, end = at + size, next;

        if (running < 0)
                return;
        for (; at < end; at = next) {
                next = (at | 7) + 1;
                touch(at >> 3, bytes_of(at & 7, (unsigned)((next < end ? next : end) - (at & ~(uintptr_t)7))), access,
                      pc);
        }
}

/* ---- locations */

static struct location *location_of(const void *address)
{
        size_t at = ((uintptr_t)address * 0x9e3779b97f4a7c15) >> 52;

        prepare();
        while (locations[at].address && locations[at].address != address)
                at = (at + 1) % LOCATIONS;
        locations[at].address = address;
        return &locations[at];
}

static bool is_shared(const struct location *location)
{
        return location->writers && location->users & (location->users - 1);
}

static uint64_t real(const void *address, unsigned size)
{
        uint64_t value = 0;

        memcpy(&value, address, size);
        return value;
}

static struct store *append(struct location *location)
{
        if (location->count == STORES)
                fail("a run without end: thread %c writes to one place again and again", 'A' + running);
        memset(&location->stores[location->count], 0, sizeof(struct store));
        return &location->stores[location->count++];
}

/* A step on the location begins: others may go on, and what plain memory did to it is taken over. */
static struct location *begin(const void *address, unsigned size, enum access access, const void *pc)
{
        struct location *location = location_of(address);
        bool was_shared = is_shared(location);

        location->users |= (uint8_t)(1 << running);
        if (access == ATOMIC_WRITE)
                location->writers |= (uint8_t)(1 << running);
        if (!was_shared && is_shared(location))
                search_again();
        if (is_shared(location))
                step();
        memory_plain(address, size, access, pc);
        if (location->run != run) {
                location->run = run;
                location->count = 0;
                memset(location->read_count, 0, sizeof location->read_count);
        }
        if (!location->count || location->stores[location->count - 1].value != real(address, size)) {
                location->count = 0;
                memset(location->read_count, 0, sizeof location->read_count);
                append(location)->value = real(address, size);
                location->stores[0].thread = -1;
        }
        return location;
}

static bool is_before(const struct store *store)
{
        return store->thread < 0 || clocks[running].at[store->thread] >= store->clock;
}

/* The oldest store that the running thread may read. */
static unsigned oldest(const struct location *location)
{
        unsigned i = location->count - 1, least = 0, thread, k;

        for (thread = 0; thread < THREADS; thread++)
                for (k = 0; k < location->read_count[thread]; k++)
                        if (location->reads[thread][k].clock <= clocks[running].at[thread] &&
                            location->reads[thread][k].store > least)
                                least = location->reads[thread][k].store;
        while (i > least && !is_before(&location->stores[i]))
                i--;
        return i;
}

static void has_read(struct location *location, unsigned store)
{
        unsigned n = location->read_count[running];

        if (n && location->reads[running][n - 1].store >= store)
                return;
        if (n == STORES)
                fail("more reads of one location than there is room for");
        location->reads[running][n].clock = clocks[running].at[running];
        location->reads[running][n].store = (uint16_t)store;
        location->read_count[running]++;
}

static bool acquires(int order)
{
        return order == ACQUIRE || order == CONSUME || order == ACQ_REL || order == SEQ_CST;
}

static bool releases(int order)
{
        return order == RELEASE || order == ACQ_REL || order == SEQ_CST;
}

static void end(void)
{
        if (++clocks[running].at[running] == UINT16_MAX)
                fail("a run without end");
}

static const struct store *read(struct location *location, unsigned index, int order)
{
        const struct store *store = &location->stores[index];

        has_read(location, index);
        if (acquires(order))
                join(&clocks[running], &store->release);
        return store;
}

static void write(struct location *location, void *address, unsigned size, uint64_t value, int order, bool changes)
{
        struct store *store = append(location);

        memcpy(address, &value, size);
        store->value = value;
        store->thread = (int16_t)running;
        store->clock = clocks[running].at[running];
        if (changes)
                store->release = store[-1].release; /* the sequence goes on */
        if (releases(order))
                join(&store->release, &clocks[running]);
        has_read(location, location->count - 1);
        last[running].location = NULL;
        written(address);
}

/* The same store, read again at the same place with nothing between: the thread spins. */
static bool spins(const struct location *location, unsigned store, const void *pc)
{
        bool again = last[running].location == location && last[running].store == store && last[running].pc == pc;

        last[running].location = location;
        last[running].store = store;
        last[running].pc = pc;
        return again;
}

uint64_t memory_load(const void *address, unsigned size, int order, const void *pc)
{
        struct location *location;
        uint64_t value;
        unsigned newest, stale;

        if (running < 0)
                return real(address, size);
        location = begin(address, size, ATOMIC_READ, pc);
        newest = location->count - 1;
        stale = left.stale && order != SEQ_CST ? choose(newest - oldest(location) + 1) : 0;
        left.stale -= stale > 0;
        value = read(location, newest - stale, order)->value;
        trace(stale ? "load, stale" : "load", address, value, pc);
        end();
        if (spins(location, newest - stale, pc) && is_shared(location) && !stale)
                spin_on(address);
        return value;
}

void memory_store(void *address, unsigned size, uint64_t value, int order, const void *pc)
{
        struct location *location;

        if (running < 0) {
                memcpy(address, &value, size);
                return;
        }
        location = begin(address, size, ATOMIC_WRITE, pc);
        trace("store", address, value, pc);
        write(location, address, size, value, order, false);
        end();
}

uint64_t memory_change(void *address, unsigned size, uint64_t (*change)(uint64_t old, uint64_t operand),
                       uint64_t operand, int order, const void *pc)
{
        struct location *location;
        uint64_t old = real(address, size), value;

        if (running < 0) {
                value = change(old, operand);
                memcpy(address, &value, size);
                return old;
        }
        location = begin(address, size, ATOMIC_WRITE, pc);
        old = read(location, location->count - 1, order)->value;
        value = 0;
        operand = change(old, operand);
        memcpy(&value, &operand, size);
        trace("change", address, value, pc);
        write(location, address, size, value, order, true);
        end();
        return old;
}

bool memory_compare_swap(void *address, unsigned size, uint64_t *expected, uint64_t value, int order, int failure,
                         bool weak, const void *pc)
{
        struct location *location;
        unsigned newest, stale = 0;
        uint64_t old = real(address, size);
        bool swaps;

        if (running < 0) {
                swaps = old == *expected;
                if (swaps)
                        memcpy(address, &value, size);
                *expected = old;
                return swaps;
        }
        location = begin(address, size, ATOMIC_WRITE, pc);
        newest = location->count - 1;
        old = location->stores[newest].value;
        swaps = old == *expected;
        if (left.stale && swaps && weak)
                stale = choose(2); /* fails for no reason */
        else if (left.stale && newest > oldest(location) && location->stores[newest - 1].value != *expected)
                stale = choose(2); /* fails for what was there before */
        left.stale -= stale;
        if (!swaps || stale) {
                newest -= stale && !(swaps && weak);
                old = read(location, newest, failure)->value;
                trace(stale ? "no swap, stale" : "no swap", address, old, pc);
                last[running].location = NULL;
                *expected = old;
                end();
                return false;
        }
        read(location, newest, order);
        trace("swap", address, value, pc);
        write(location, address, size, value, order, true);
        end();
        return true;
}

/* ---- places */

void memory_region(char letter, void *start, size_t size)
{
        if (region_count == REGIONS)
                fail("too many regions");
        regions[region_count].letter = letter;
        regions[region_count].start = start;
        regions[region_count++].size = size;
}

void memory_tell_shared(void)
{
        const char *comma = "", *address;
        unsigned i, r;

        for (i = 0; locations && i < LOCATIONS; i++) {
                if (!is_shared(&locations[i]))
                        continue;
                address = locations[i].address;
                for (r = 0; r < region_count; r++)
                        if (address >= regions[r].start && address < regions[r].start + regions[r].size)
                                break;
                if (r < region_count)
                        printf("%s%c%lx", comma, regions[r].letter, (unsigned long)(address - regions[r].start));
                else
                        printf("%s?", comma);
                comma = ",";
        }
}

bool memory_share(const char *place)
{
        unsigned long offset;
        char letter;
        unsigned r;

        if (sscanf(place, "%c%lx", &letter, &offset) != 2)
                return false;
        for (r = 0; r < region_count; r++)
                if (regions[r].letter == letter && offset < regions[r].size)
                        break;
        if (r == region_count)
                return false;
        location_of(regions[r].start + offset)->users = 7;
        location_of(regions[r].start + offset)->writers = 7;
        return true;
}
