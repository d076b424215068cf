/* Locks held for a block.
 *
 *         static void add(struct account *account, long amount)
 *         {
 *                 PLAIT_LOCKED(&account->lock);           // held from here to the end of the block
 *
 *                 if (account->closed)
 *                         return;                         // released here as well
 *                 account->balance += amount;
 *         }
 */
#ifndef PLAIT_LOCKED_H
#define PLAIT_LOCKED_H

#include <plait/base.h>
#include <plait/lock.h>
#include <plait/rlock.h>

#ifdef __cplusplus
extern "C" {
#endif

/* PLAIT_LOCKED(lock); is a declaration: it acquires the plait_lock or plait_rlock that `lock` points to, as
 * plait_lock_acquire() or plait_rlock_acquire() does, and releases it at the end of the enclosing block, on whatever path
 * that is left: end, return, break, goto, a C++ exception. Any number may stand in one block; they are released in
 * reverse. Inside, the strand may wait, on a plait_condition with this lock too; it must not have released the lock when
 * the block ends: abort. */
#ifdef __cplusplus
#define PLAIT_LOCKED(lock) PLAIT__LOCKED(plait__locked_begin, PLAIT__NAME(plait__locked_, __COUNTER__), lock)
#else
#define PLAIT_LOCKED(lock)                                                                                              \
        PLAIT__LOCKED(_Generic((lock), plait_lock *: plait__locked_lock, plait_rlock *: plait__locked_rlock),           \
                      PLAIT__NAME(plait__locked_, __COUNTER__), lock)
#endif

/* Not for use: what PLAIT_LOCKED needs. The second variable fills in the first, so that both are one declaration. */
typedef struct plait__locked {
        void *lock;
        uintptr_t mark;
} plait__locked;
PLAIT_API void plait__locked_lock(plait__locked *locked, plait_lock *lock);
PLAIT_API void plait__locked_rlock(plait__locked *locked, plait_rlock *lock);
PLAIT_API void plait__locked_end(plait__locked *locked);
#define PLAIT__LOCKED(begin, name, lock)                                                                                \
        plait__locked name __attribute__((cleanup(plait__locked_end), unused)),                                         \
                *PLAIT__NAME(name, _begun) __attribute__((unused)) = (begin(&name, lock), &name)

#ifdef __cplusplus
}

static inline void plait__locked_begin(plait__locked *locked, plait_lock *lock)
{
        plait__locked_lock(locked, lock);
}

static inline void plait__locked_begin(plait__locked *locked, plait_rlock *lock)
{
        plait__locked_rlock(locked, lock);
}
#endif
#endif
