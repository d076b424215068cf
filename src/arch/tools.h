/* What sanitizers, valgrind and the C++ runtime must be told about stacks and switches. In an ordinary build all of it is
 * nothing, but for the C++ runtime's per-thread record of exceptions in flight, which each strand keeps for itself: else a
 * switch inside a catch block makes `throw;` rethrow another strand's exception. */
#ifndef PLAIT__TOOLS_H
#define PLAIT__TOOLS_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PLAIT__ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define PLAIT__TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define PLAIT__ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define PLAIT__TSAN 1
#endif

#if defined(PLAIT__ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#define PLAIT__FIBER_FIELDS                                                                                            \
        void *fake_stack;                                                                                              \
        const void *stack_bottom;                                                                                      \
        size_t stack_size;
#elif defined(PLAIT__TSAN)
#include <sanitizer/tsan_interface.h>
#define PLAIT__FIBER_FIELDS void *fiber;
#else
#define PLAIT__FIBER_FIELDS
#endif

#if defined(PLAIT__ASAN) || defined(PLAIT__TSAN)
#define PLAIT__STACK_REUSE false                /* a task that ends never lends its stack, and one fiber is one task */
#define PLAIT__RESERVE_SHIFT 34                 /* 16 GiB of addresses a size class: the sanitizers' maps are narrow */
#else
#define PLAIT__STACK_REUSE true
#if !defined(PLAIT__RESERVE_SHIFT)              /* given for emulators, which look at each page that is reserved */
#define PLAIT__RESERVE_SHIFT 38                 /* 256 GiB: 4 million stacks of 64 KiB */
#endif
#endif

/* On the function that switches: the sanitizer's own entry and exit of it would be told of two different fibers. */
#if defined(PLAIT__TSAN) && defined(__clang__)
#define PLAIT__FIBER_SWITCHES __attribute__((disable_sanitizer_instrumentation))
#else
#define PLAIT__FIBER_SWITCHES
#endif

/* Kept in each strand, beside the record. */
struct plait__fiber {
        void *exceptions[2];                    /* the C++ runtime's: caught exceptions, and their count */
        PLAIT__FIBER_FIELDS
};

/* Mapped memory that holds the only pointers to allocated memory: the leak sanitizer looks there too. */
static inline void plait__tools_root(const void *memory, size_t size)
{
#if defined(PLAIT__ASAN)
        __lsan_register_root_region(memory, size);
#else
        (void)memory;
        (void)size;
#endif
}

/* The C++ runtime's record of the calling thread; NULL in a program without it. */
void **plait__exceptions_here(void);

static inline void plait__fiber_exceptions(void **here, struct plait__fiber *from, struct plait__fiber *to)
{
        if (!here)
                return;
        from->exceptions[0] = here[0];
        from->exceptions[1] = here[1];
        here[0] = to->exceptions[0];
        here[1] = to->exceptions[1];
}

/* A thread's main line has its stack already. */
static inline void plait__fiber_adopt(struct plait__fiber *fiber)
{
        (void)fiber;
#if defined(PLAIT__TSAN)
        fiber->fiber = __tsan_get_current_fiber();
#endif
}

/* A strand is given the stack [bottom, bottom + size). */
static inline void plait__fiber_begin(struct plait__fiber *fiber, const void *bottom, size_t size)
{
        (void)fiber;
        (void)bottom;
        (void)size;
#if defined(PLAIT__ASAN)
        fiber->fake_stack = NULL;
        fiber->stack_bottom = bottom;
        fiber->stack_size = size;
        __asan_unpoison_memory_region(bottom, size);
#elif defined(PLAIT__TSAN)
        fiber->fiber = __tsan_create_fiber(0);
#endif
}

/* Just before plait__switch(): `ends` says that `from` never runs again. *left is kept for plait__fiber_arrive(). */
static inline void plait__fiber_leave(struct plait__fiber **left, struct plait__fiber *from, struct plait__fiber *to, bool ends)
{
        (void)left;
        (void)from;
        (void)to;
        (void)ends;
#if defined(PLAIT__ASAN)
        *left = from;
        __sanitizer_start_switch_fiber(ends ? NULL : &from->fake_stack, to->stack_bottom, to->stack_size);
#elif defined(PLAIT__TSAN)
        __tsan_switch_to_fiber(to->fiber, 0);
#endif
}

/* Just after it, in the strand that was switched to; `from` is the one that was left. */
static inline void plait__fiber_arrive(struct plait__fiber *here, struct plait__fiber *from)
{
        (void)here;
        (void)from;
#if defined(PLAIT__ASAN)
        const void *bottom;
        size_t size;

        __sanitizer_finish_switch_fiber(here->fake_stack, &bottom, &size);
        if (!from->stack_bottom) {              /* a thread's main line: its bounds are told here first */
                from->stack_bottom = bottom;
                from->stack_size = size;
        }
#endif
}

/* The strand's stack goes back; called by its successor. */
static inline void plait__fiber_end(struct plait__fiber *fiber)
{
        (void)fiber;
#if defined(PLAIT__TSAN)
        __tsan_destroy_fiber(fiber->fiber);
        fiber->fiber = NULL;
#elif defined(PLAIT__ASAN)
        fiber->stack_bottom = NULL;
#endif
}

/* On a function that reads what other threads write without a lock, and can live with a value that is old or torn: a tool's
 * look at a running program. */
#define PLAIT__LOOKS_ON __attribute__((no_sanitize("thread"), noinline))

/* Where a signal handler's third argument says that the thread was interrupted; NULL: not known for this architecture. */
void *plait__tools_interrupted_at(const void *context);

/* valgrind is told of each stack once, at its first use: stacks are never unmapped. */
void plait__tools_stack(void *bottom, void *top);

#endif
