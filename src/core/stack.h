/* Coroutine stacks. Each size class is one piece of reserved addresses cut into slots of one size; the lowest part of a slot
 * is its guard, the rest is for frames and nothing else. What is known of a stack stands in a dense array beside, found by
 * arithmetic from any address inside the stack.
 *
 * Slots are handed to loops in spans of 2 MiB, and a loop reuses its own last-freed first. The page tables cost 128 bytes a
 * stack of 64 KiB, a guard (MADV_GUARD_INSTALL, Linux 6.13) no mapping of its own. Where the kernel has no such guard, or
 * the memory is locked, mprotect() does it until the limit of mappings is met (32,753 stacks); stacks after that have no
 * guard, and their depth is checked at each park.
 *
 * The top of each stack is moved down by a colour, a pure function of its index: else all tops would fight for the same
 * cache sets (2.3 times slower with 100,000). */
#ifndef PLAIT__STACK_H
#define PLAIT__STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plait__loop;
struct plait__strand;

enum {
        PLAIT__STACK_SHIFT = 16,                /* the smallest class, and the default: 64 KiB */
        PLAIT__STACK_CLASSES = 16,              /* slots up to 2 GiB: 1 GiB to use */
        PLAIT__STACK_GUARD = 16384,
        PLAIT__STACK_COLOURS = 32,              /* of 64 bytes: 2 KiB at most */
        PLAIT__STACK_HOT = 256,                 /* free stacks whose pages a loop keeps, per class */
        PLAIT__STACK_QUIET = 16,                /* after so many idle moments it trims the others, */
        PLAIT__STACK_TRIM_BATCH = 64            /* so many before it sleeps */
};

enum plait__stack_flags { PLAIT__STACK_GUARDED = 1 };

struct plait__stack {
        struct plait__strand *strand;           /* who runs on it, or the next free one while it is free */
        uint32_t away;                          /* kept for stacks that are put away: where the copy lies, */
        uint16_t live;                          /* its length, */
        uint8_t cold;                           /* and whether it is away */
        uint8_t flags;
};

/* Per loop and class: free stacks, and what is left of its span. A few that were freed last are kept as they are (hot); of the
 * rest (cold) an idle loop gives the pages back, once they have not been needed for a while (trimmed). */
struct plait__stack_stock {
        struct plait__stack *hot, *cold, *trimmed;
        struct plait__stack *span, *span_end;
        unsigned hot_count;
        unsigned quiet;                         /* how often the loop idled since a cold one was needed */
};

/* The class whose usable size holds `bytes` (0: the default); -1: more than the largest. */
int plait__stack_class(size_t bytes);

/* A stack for the loop, guarded where the system allows it; NULL: no memory, no addresses. */
struct plait__stack *plait__stack_take(struct plait__loop *loop, int class);

/* The stack goes back to the loop. Its frames may still be in use until the next switch. */
void plait__stack_give(struct plait__loop *loop, struct plait__stack *stack);

/* The loop is idle: a batch of cold stacks may be trimmed. */
void plait__stack_trim(struct plait__loop *loop);

/* What a loop has in stock goes to whoever comes next; the pages go back to the system. */
void plait__stack_stock_return(struct plait__loop *loop);

/* [*ret_bottom, result) is where frames may lie. */
void *plait__stack_top(const struct plait__stack *stack, void **ret_bottom);

/* The stack whose slot holds the address; *ret_guard: it lies in the guard. NULL: none of ours. Safe in a signal handler. */
struct plait__stack *plait__stack_find(const void *address, bool *ret_guard);

#endif
