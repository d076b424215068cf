/* Reader-writer locks: many that read, or one that writes. */
#ifndef PLAIT_RWLOCK_H
#define PLAIT_RWLOCK_H

#include <plait/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A lock that any number of strands hold for reading, or one for writing, for any mix of strands of this process. All
 * zeros is an unheld one, and an unheld one nobody waits for needs no call to go. It is fair: strands get it in the order
 * they asked for it, readers that stand next to each other together; one that comes to read waits behind a writer that
 * waits, so neither kind starves the other. So who holds it for reading must not acquire it for reading again: with a
 * writer waiting in between, that would never return. It pays over a plait_lock where reading takes long, or parks. Not
 * copied or moved once used; its bytes mean nothing in another process. */
typedef struct plait_rwlock {
        uint64_t private_[4];
} plait_rwlock;

/* Waits until this strand holds the lock for reading. It may park; it cannot fail and is not cancelled. Aborts if this
 * strand holds it for writing. */
PLAIT_API void plait_rwlock_acquire_read(plait_rwlock *rwlock);

/* Waits until this strand alone holds the lock. It may park; it cannot fail and is not cancelled. Aborts if this strand
 * holds it for writing already; one that holds it for reading would wait for itself. */
PLAIT_API void plait_rwlock_acquire_write(plait_rwlock *rwlock);

/* Takes the lock for reading if nobody holds it for writing and nobody waits for it; never parks. True: held. */
PLAIT_API bool plait_rwlock_try_read(plait_rwlock *rwlock);

/* Takes the lock for writing if nobody holds it and nobody waits for it; never parks. True: held. */
PLAIT_API bool plait_rwlock_try_write(plait_rwlock *rwlock);

/* As plait_rwlock_acquire_read(), but a checkpoint. Returns 0: held; -ETIMEDOUT, -ECANCELED or -EINVAL (a null pointer):
 * not held. */
PLAIT_WAITS int plait_rwlock_acquire_read_or_cancel(plait_rwlock *rwlock);

/* As plait_rwlock_acquire_write(), but a checkpoint. Returns 0: held; -ETIMEDOUT, -ECANCELED or -EINVAL (a null pointer):
 * not held. */
PLAIT_WAITS int plait_rwlock_acquire_write_or_cancel(plait_rwlock *rwlock);

/* Gives back what this strand holds, for reading or for writing, and lets in who is next. Does not park. Aborts if another
 * strand holds the lock for writing, or nobody holds it; who holds it for reading is counted, not known. */
PLAIT_API void plait_rwlock_release(plait_rwlock *rwlock);

#ifdef __cplusplus
}
#endif
#endif
