/* The slow side of the spin lock: on two processors a holder that was preempted would otherwise cost us a time slice. */
#include "base/atomic.h"

#include <sched.h>

void plait__spin_yield(void)
{
        sched_yield();
}

void plait__spin_wait(plait__spin *spin)
{
        unsigned tries = 0;

        do {
                while (plait__load(&spin->held)) {
                        if (++tries < 100)
                                plait__pause();
                        else
                                plait__spin_yield();
                }
        } while (atomic_exchange_explicit(&spin->held, 1, memory_order_acquire));
}
