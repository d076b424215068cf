/* What PLAIT_LOCKED declares. gcc lets a goto jump over the declaration into the block; the end then finds whatever lies there,
 * and must do nothing. So what was begun bears a mark made of its own address, and loses it at its end. */
#include "plait/locked.h"

#define LOCK ((uintptr_t)0x706C616974U)
#define RLOCK ((uintptr_t)0x7469616C70U)

static void begin(plait__locked *locked, void *lock, uintptr_t mark)
{
        locked->lock = lock;
        locked->mark = (uintptr_t)locked ^ mark;
}

void plait__locked_lock(plait__locked *locked, plait_lock *lock)
{
        plait_lock_acquire(lock);
        begin(locked, lock, LOCK);
}

void plait__locked_rlock(plait__locked *locked, plait_rlock *lock)
{
        plait_rlock_acquire(lock);
        begin(locked, lock, RLOCK);
}

void plait__locked_end(plait__locked *locked)
{
        uintptr_t mark = (uintptr_t)locked ^ locked->mark;

        if (mark != LOCK && mark != RLOCK)
                return;
        locked->mark = 0;
        if (mark == LOCK)
                plait_lock_release(locked->lock);
        else
                plait_rlock_release(locked->lock);
}
