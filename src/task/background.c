/* The group for what belongs to nobody: detached, on the threads of the shared pool, of the whole process. */
#include "base/atomic.h"
#include "core/strand.h"
#include "plait/group.h"
#include "task/executor.h"
#include "task/group.h"

plait_group *plait_background(void)
{
        static plait_group background = {.detached = true, .keep_going = true, .name = "background"};
        static plait__spin guard;

        plait__not_forked(__func__);
        if (plait__is_simulated())
                return plait__simulator.background();
        plait__spin_acquire(&guard);
        if (plait__load(&plait__group_of(&background)->scope.group_state) != PLAIT__GROUP_OPEN) {
                background.executor = plait_threads();
                plait_group_open(&background);
        }
        plait__spin_release(&guard);
        return &background;
}
