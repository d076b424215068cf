/* One function, on an executor, and its result. */
#include <errno.h>
#include <string.h>

#include "base/panic.h"
#include "base/sys.h"
#include "core/strand.h"
#include "task/executor.h"
#include "task/group.h"

static int call(struct plait__strand *strand, plait_executor *executor, plait_time kill_after, plait_fn *fn, void *arg, size_t size)
{
        plait_group group = {.executor = executor, .kill_after = kill_after};
        struct plait_task *task;
        int result;

        plait_group_open(&group);
        task = plait__group_start("plait_call", &group, NULL, fn, arg, size);
        plait__group_wait_all(strand, &group, true);
        result = task ? task->result : plait__group_of(&group)->start_failure;
        plait__group_close(&group, strand);
        plait_group_done(&group);
        return result;
}

int plait_call(plait_executor *executor, plait_fn *fn, void *arg, size_t size)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc;

        if (!strand)
                return -ENOMEM;
        rc = plait__enter(strand);
        return rc < 0 ? rc : call(strand, executor, 0, fn, arg, size);
}

/* A call that may be left: its memory is shared by the caller and the thread, and goes with the last of them. */
struct left {
        plait__spin lock;
        bool ended;                             /* the function has */
        bool gone;                              /* the caller has */
        struct plait__strand *caller;
        struct plait__loop *loop;               /* the thread's */
        plait_scope scope;                      /* on the thread: the caller's deadline, and its cancel */
        bool entered;
        plait_time deadline;
        plait_fn *fn;
        void *arg;
        int result;
        _Alignas(max_align_t) unsigned char bytes[];
};

/* With the lock held by one of the two; frees it for both if the other has gone. */
static void let_go(struct left *left, bool last)
{
        plait__spin_release(&left->lock);
        if (last)
                plait__sys.free(left);
}

static int run_left(void *memory)
{
        struct left *left = memory;
        struct plait__loop *loop = plait__loop_here;

        plait__spin_acquire(&left->lock);
        plait__scope_push(loop->current, (struct plait__scope *)(void *)left->scope.private_, PLAIT__SCOPE_BLOCK, left->deadline);
        left->entered = true;
        if (left->gone)
                plait__scope_cancel_inside(&left->scope);
        plait__spin_release(&left->lock);
        left->result = left->fn(left->arg);
        if (plait__unlikely(loop->current->scope != (struct plait__scope *)(void *)left->scope.private_))
                plait__panic("plait_call_or_leave", "the function returned while a scope or group that it opened is still open");
        plait__spin_acquire(&left->lock);
        left->ended = true;
        plait__scope_remove(loop->current, (struct plait__scope *)(void *)left->scope.private_);
        if (!left->gone)
                plait__grant(left->caller);
        let_go(left, left->gone);
        return 0;
}

static void *left_main(void *memory)
{
        struct left *left = memory;

        plait__loop_adopt(left->loop);
        run_left(left);
        return NULL;
}

static int start_left(struct left *left)
{
        int rc;

        if (plait__is_simulated())
                return plait__simulator.detach(run_left, left);
        left->loop = plait__loop_new(plait__loop_here);
        if (!left->loop)
                return -ENOMEM;
        rc = plait__sys.thread_start(left_main, left, 0);
        if (rc < 0)
                plait__loop_free(plait__loop_here, left->loop);
        return rc;
}

static int call_or_leave(struct plait__strand *strand, plait_fn *fn, void *arg, size_t size)
{
        struct left *left = plait__sys.alloc(sizeof *left + size);
        int rc;

        if (!left)
                return -ENOMEM;
        left->caller = strand;
        left->deadline = strand->deadline;
        left->fn = fn;
        left->arg = size ? left->bytes : arg;
        if (size)
                memcpy(left->bytes, arg, size);
        plait__store(&strand->granted, PLAIT__NOT_GRANTED);
        strand->object = NULL;
        rc = start_left(left);
        if (rc < 0) {
                plait__sys.free(left);
                return rc;
        }
        rc = plait__wait_granted(strand, PLAIT__ON_TASK, PLAIT_FOREVER);
        plait__spin_acquire(&left->lock);
        left->gone = true;
        if (left->ended) {
                plait__granted(strand);         /* the thread has done with our strand */
                rc = left->result;
                if (size)
                        memcpy(arg, left->bytes, size);
        } else if (left->entered) {
                plait__scope_cancel_inside(&left->scope);
        }
        let_go(left, left->ended);
        return rc;
}

int plait_call_or_leave(plait_executor *executor, plait_fn *fn, void *arg, size_t size)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc;

        if (!strand)
                return -ENOMEM;
        if (!executor || !executor->class->fresh || !fn)
                return -EINVAL;
        rc = plait__enter(strand);
        if (rc < 0)
                return rc;
        if (executor != plait_own_thread())
                return call(strand, executor, 1, fn, arg, size);        /* killed a nanosecond after the deadline */
        return call_or_leave(strand, fn, arg, size);
}
