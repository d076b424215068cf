/* Names for the few atomic shapes that the library uses, a pause for spinning, and a lock of a few instructions. */
#ifndef PLAIT__ATOMIC_H
#define PLAIT__ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/single_threaded.h>

#define plait__load(object) atomic_load_explicit(object, memory_order_relaxed)
#define plait__load_acquire(object) atomic_load_explicit(object, memory_order_acquire)
#define plait__store(object, value) atomic_store_explicit(object, value, memory_order_relaxed)
#define plait__store_release(object, value) atomic_store_explicit(object, value, memory_order_release)

#define plait__likely(x) __builtin_expect(!!(x), 1)
#define plait__unlikely(x) __builtin_expect(!!(x), 0)

/* While the process has one thread, a locked instruction (5 ns) can be a plain one. glibc clears the flag before the
 * second thread starts and may set it again after the last other thread was joined. */
static inline bool plait__alone(void)
{
        return __libc_single_threaded;
}

static inline void plait__pause(void)
{
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ volatile("isb" ::: "memory");
#endif
}

/* Held for a few instructions only, never across a park. */
typedef struct plait__spin { _Atomic uint32_t held; } plait__spin;

void plait__spin_wait(plait__spin *spin);

/* Lets another thread run: for who spins on what a preempted one will do. */
void plait__spin_yield(void);

static inline void plait__spin_acquire(plait__spin *spin)
{
        if (plait__alone() && plait__load(&spin->held) == 0)
                plait__store(&spin->held, 1);
        else if (plait__unlikely(atomic_exchange_explicit(&spin->held, 1, memory_order_acquire)))
                plait__spin_wait(spin);
}

static inline void plait__spin_release(plait__spin *spin)
{
        plait__store_release(&spin->held, 0);           /* pairs with the acquire of the next holder */
}

#endif
