#define _GNU_SOURCE
#include "core/stack.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/mman.h>

#include "arch/tools.h"
#include "base/atomic.h"
#include "base/reserve.h"
#include "base/sys.h"
#include "core/loop.h"

enum { SPAN_SHIFT = 21, ADVICE_GUARD_INSTALL = 102 };   /* madvise()'s MADV_GUARD_INSTALL; glibc's headers are older */

/* One size class. The arrays are reserved once; `used` grows by spans under the guard. */
static struct arena {
        plait__spin guard;
        _Atomic(char *) base;                   /* release after all else below is set */
        struct plait__stack *stacks;
        size_t slots;                           /* reserved */
        size_t used;                            /* handed to loops */
        struct plait__stack *returned;          /* free stacks of loops that are gone */
} arenas[PLAIT__STACK_CLASSES];

enum { GUARD_UNKNOWN, GUARD_ADVICE, GUARD_PROTECT };
static _Atomic int guard_kind;                  /* found out with the first stack; every thread finds the same */

static size_t slot_bytes(int class)
{
        return (size_t)1 << (PLAIT__STACK_SHIFT + class);
}

static int class_of(const struct plait__stack *stack)
{
        int class;

        for (class = 0; class < PLAIT__STACK_CLASSES; class++)
                if (plait__load_acquire(&arenas[class].base) && stack >= arenas[class].stacks &&
                    stack < arenas[class].stacks + arenas[class].slots)
                        return class;
        return -1;
}

int plait__stack_class(size_t bytes)
{
        int class;

        if (bytes > (size_t)1 << 30)
                return -1;
        for (class = 0; class < PLAIT__STACK_CLASSES; class++)
                if (bytes <= slot_bytes(class) - PLAIT__STACK_GUARD)
                        return class;
        return -1;
}

/* ---- reserving */

static int arena_open(struct arena *arena, int class)
{
        size_t span = (size_t)1 << SPAN_SHIFT, size = (size_t)1 << PLAIT__RESERVE_SHIFT, records, skip;
        char *base;

        if (span < slot_bytes(class))
                span = slot_bytes(class);
        base = plait__reserve(&size, span * 2, class == 0 ? 4 : 16);
        if (!base)
                return -ENOMEM;
        records = (size >> (PLAIT__STACK_SHIFT + class)) * sizeof(struct plait__stack);
        arena->stacks = plait__reserve(&records, records, 1);
        if (!arena->stacks) {
                plait__sys.munmap(base, size);
                return -ENOMEM;
        }
        skip = -(uintptr_t)base & (span - 1);
        arena->slots = (size - skip) >> (PLAIT__STACK_SHIFT + class);
        plait__store_release(&arena->base, base + skip);        /* pairs with plait__stack_find() */
        return 0;
}

static size_t page_up(size_t size)
{
        return (size + 4095) & ~(size_t)4095;
}

/* The next slots of the arena become usable memory: a whole span. */
static int arena_span(struct arena *arena, int class, struct plait__stack_stock *stock)
{
        size_t count = (size_t)1 << SPAN_SHIFT >> (PLAIT__STACK_SHIFT + class), records, had;
        char *first;

        if (count == 0)
                count = 1;
        if (arena->used + count > arena->slots)
                return -ENOMEM;
        had = page_up(arena->used * sizeof(struct plait__stack));
        records = page_up((arena->used + count) * sizeof(struct plait__stack));
        if (records > had && plait__sys.mprotect((char *)arena->stacks + had, records - had, PROT_READ | PROT_WRITE) < 0)
                return -ENOMEM;
        first = arena->base + arena->used * slot_bytes(class);
        if (plait__sys.mprotect(first, count * slot_bytes(class), PROT_READ | PROT_WRITE) < 0)
                return -ENOMEM;
        plait__sys.madvise(first, count * slot_bytes(class), MADV_NOHUGEPAGE);  /* else 2 MiB for each coroutine */
        stock->span = arena->stacks + arena->used;
        stock->span_end = stock->span + count;
        arena->used += count;
        return 0;
}

/* ---- guards */

/* What the kernel says is not enough (some emulators take any advice and guard nothing): reading there must be refused. A
 * futex word that were readable would be 0 and not 1, and the call would return at once. */
static bool guard_works(const char *address)
{
        return plait__sys.futex(address, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, NULL, 0) == -EFAULT;
}

static bool guard_install(char *low)
{
        int kind = plait__load(&guard_kind);

        if (kind != GUARD_PROTECT) {
                if (plait__sys.madvise(low, PLAIT__STACK_GUARD, ADVICE_GUARD_INSTALL) == 0) {
                        if (kind == GUARD_ADVICE)
                                return true;
                        if (guard_works(low)) {
                                plait__store(&guard_kind, GUARD_ADVICE);
                                return true;
                        }
                }
                if (kind == GUARD_UNKNOWN)
                        plait__store(&guard_kind, GUARD_PROTECT);
        }
        return plait__sys.mprotect(low, PLAIT__STACK_GUARD, PROT_NONE) == 0;
}

/* ---- taking and giving */

static int refill(struct plait__stack_stock *stock, int class)
{
        struct arena *arena = &arenas[class];
        int rc = 0;

        plait__spin_acquire(&arena->guard);
        if (!plait__load(&arena->base))
                rc = arena_open(arena, class);
        if (rc == 0 && arena->returned) {
                stock->trimmed = arena->returned;
                arena->returned = NULL;
        } else if (rc == 0) {
                rc = arena_span(arena, class, stock);
        }
        plait__spin_release(&arena->guard);
        return rc;
}

static char *slot_of(const struct plait__stack *stack, int class)
{
        return plait__load(&arenas[class].base) + (size_t)(stack - arenas[class].stacks) * slot_bytes(class);
}

static void push_free(struct plait__stack **list, struct plait__stack *stack)
{
        stack->strand = (struct plait__strand *)(void *)*list;
        *list = stack;
}

static struct plait__stack *pop_free(struct plait__stack **list)
{
        struct plait__stack *stack = *list;

        if (stack)
                *list = (struct plait__stack *)(void *)stack->strand;
        return stack;
}

static struct plait__stack *first_use(struct plait__stack_stock *stock, int class)
{
        struct plait__stack *stack = stock->span++;
        char *low = slot_of(stack, class);

        if (guard_install(low))
                stack->flags |= PLAIT__STACK_GUARDED;
        plait__tools_stack(low + PLAIT__STACK_GUARD, low + slot_bytes(class));
        return stack;
}

struct plait__stack *plait__stack_take(struct plait__loop *loop, int class)
{
        struct plait__stack_stock *stock = &loop->stacks[class];
        struct plait__stack *stack = pop_free(&stock->hot);

        if (plait__likely(stack != NULL)) {
                stock->hot_count--;
                return stack;
        }
        stock->quiet = 0;
        if ((stack = pop_free(&stock->cold)) || (stack = pop_free(&stock->trimmed)))
                return stack;
        if (stock->span == stock->span_end && refill(stock, class) < 0)
                return NULL;
        stack = pop_free(&stock->trimmed);      /* of a loop that is gone */
        return stack ? stack : first_use(stock, class);
}

void plait__stack_give(struct plait__loop *loop, struct plait__stack *stack)
{
        struct plait__stack_stock *stock = &loop->stacks[class_of(stack)];

        if (stock->hot_count < PLAIT__STACK_HOT) {
                push_free(&stock->hot, stack);
                stock->hot_count++;
        } else {
                push_free(&stock->cold, stack);
        }
}

static void trim(struct plait__stack_stock *stock, struct plait__stack *stack, int class)
{
        plait__sys.madvise(slot_of(stack, class) + PLAIT__STACK_GUARD, slot_bytes(class) - PLAIT__STACK_GUARD, MADV_DONTNEED);
        push_free(&stock->trimmed, stack);
}

void plait__stack_trim(struct plait__loop *loop)
{
        struct plait__stack_stock *stock;
        struct plait__stack *stack;
        int class, i;

        for (class = 0; class < PLAIT__STACK_CLASSES; class++) {
                stock = &loop->stacks[class];
                if (plait__likely(!stock->cold) || ++stock->quiet < PLAIT__STACK_QUIET)
                        continue;
                for (i = 0; i < PLAIT__STACK_TRIM_BATCH && (stack = pop_free(&stock->cold)); i++)
                        trim(stock, stack, class);
        }
}

void plait__stack_stock_return(struct plait__loop *loop)
{
        struct plait__stack_stock *stock;
        struct plait__stack *stack;
        int class;

        for (class = 0; class < PLAIT__STACK_CLASSES; class++) {
                stock = &loop->stacks[class];
                while (stock->span != stock->span_end)
                        push_free(&stock->trimmed, first_use(stock, class));
                while ((stack = pop_free(&stock->hot)) || (stack = pop_free(&stock->cold)))
                        trim(stock, stack, class);
                plait__spin_acquire(&arenas[class].guard);
                while ((stack = pop_free(&stock->trimmed)))
                        push_free(&arenas[class].returned, stack);
                plait__spin_release(&arenas[class].guard);
                stock->hot_count = stock->quiet = 0;
        }
}

void *plait__stack_top(const struct plait__stack *stack, void **ret_bottom)
{
        int class = class_of(stack);
        char *low = slot_of(stack, class);
        size_t colour = (size_t)(stack - arenas[class].stacks) % PLAIT__STACK_COLOURS * 64;

        *ret_bottom = low + PLAIT__STACK_GUARD;
        return low + slot_bytes(class) - colour;
}

struct plait__stack *plait__stack_find(const void *address, bool *ret_guard)
{
        const char *at = address, *base;
        size_t index;
        int class;

        for (class = 0; class < PLAIT__STACK_CLASSES; class++) {
                base = plait__load_acquire(&arenas[class].base);        /* pairs with arena_open() */
                if (!base || at < base || at >= base + arenas[class].slots * slot_bytes(class))
                        continue;
                index = (size_t)(at - base) / slot_bytes(class);
                *ret_guard = (size_t)(at - base) % slot_bytes(class) < PLAIT__STACK_GUARD;
                return &arenas[class].stacks[index];
        }
        return NULL;
}
