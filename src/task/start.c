/* Starting and posting tasks in a group. */
#include <errno.h>
#include <string.h>

#include "base/panic.h"
#include "base/sys.h"
#include "core/strand.h"
#include "sync/local.h"
#include "task/executor.h"
#include "task/group.h"

static void check_starter(const char *call, const plait_group *group, const struct plait__strand *strand)
{
        plait__group_check_open(call, group);
        if (!group->detached && plait__group_of(group)->scope.owner != strand && plait__task_of(strand)->group != group)
                plait__panic(call, "neither the owner nor a task of the group '%s'", plait__group_name(group));
}

static int set_extra(struct plait_task *task, const plait_task_options *options)
{
        struct plait__extra *extra;

        if (!options || (!options->name && !options->within && !options->kill_after && !options->stack_bytes &&
                         !options->retries))
                return 0;
        extra = plait__record_extra(task);
        if (!extra)
                return -ENOMEM;
        extra->within = options->within;
        extra->kill_after = options->kill_after;
        extra->stack_bytes = options->stack_bytes;
        extra->retries = options->retries;
        if (options->name)
                strncpy(extra->name, options->name, sizeof extra->name - 1);
        return 0;
}

/* A start that could not be made is a failure of the group's. */
static void note_start_failure(plait_group *group, struct plait__loop *loop, const plait_task_options *options, void *arg, int rc)
{
        struct plait_task *task = rc == -ENOMEM ? NULL : plait__record_new(loop);
        struct plait__group *inner = plait__group_of(group);

        if (task) {
                task->group = group;
                task->arg = arg;
                plait__store(&task->strand.state, PLAIT__ENDED);
                plait_ignore(set_extra(task, options));         /* the name, if it can be had */
        }
        if (!inner->start_failure)
                inner->start_failure = (int16_t)rc;
        plait__group_note_failure(inner, task, rc);
        if (!group->keep_going)
                plait__group_end_scope(group, PLAIT__CANCEL_FAILURE);
}

static int new_task(struct plait_task **ret, struct plait__loop *loop, plait_group *group, const plait_task_options *options,
                    plait_fn *fn, void *arg, size_t size, bool posted)
{
        const struct plait__executor_class *class = plait__class_of(group->executor);
        size_t stack_bytes = options && options->stack_bytes ? options->stack_bytes : group->executor->stack_bytes;
        int stack_class = stack_bytes ? plait__stack_class(stack_bytes) : 0, rc;
        struct plait_task *task;

        if (!fn || stack_class < 0)
                return -EINVAL;
        if (class->accept && (rc = class->accept(group->executor, fn, arg, size, posted)) < 0)
                return rc;
        task = plait__record_new(loop);
        if (!task)
                return -ENOMEM;
        rc = set_extra(task, options);
        if (rc == 0 && !class->accept)          /* it does not travel */
                rc = plait__local_inherit(loop->current, task);
        if (rc < 0) {
                plait__record_free(loop, task);
                return rc;
        }
        task->group = group;
        task->fn = fn;
        task->arg = arg;
        task->size = size;
        task->strand.stack_class = (uint8_t)stack_class;
        plait__store(&task->strand.state, PLAIT__NEW);
        *ret = task;
        return 0;
}

/* 0, or why the executor did not take it; it is still the group's then. */
static int launch(plait_group *group, struct plait_task *task)
{
        struct plait__group *inner = plait__group_of(group);
        bool withheld;

        if (plait__unlikely(plait__load(&inner->scope.group_flags) & PLAIT__GROUP_COUNTED))
                plait__class_of(group->executor)->task_starts(group->executor);
        plait__group_lock(inner);
        task->siblings.next = inner->tasks ? &inner->tasks->siblings : NULL;
        if (inner->tasks)
                inner->tasks->siblings.prev = &task->siblings;
        inner->tasks = task;
        inner->live++;
        inner->owed += !(task->strand.flags & PLAIT__POSTED);
        withheld = inner->bound && inner->begun >= inner->bound;
        if (withheld)
                plait__group_withhold(inner, task);
        else
                inner->begun++;
        plait__group_unlock(inner);
        return withheld ? 0 : plait__class_of(group->executor)->start(group->executor, task);
}

struct plait_task *plait__group_start(const char *call, plait_group *group, const plait_task_options *options, plait_fn *fn, void *arg,
                                      size_t size)
{
        struct plait__strand *strand = plait__strand_or_abort(call);
        struct plait_task *task;
        int rc;

        check_starter(call, group, strand);
        plait__point(strand->loop, false);
        rc = new_task(&task, strand->loop, group, options, fn, arg, size, false);
        if (rc < 0) {
                note_start_failure(group, strand->loop, options, arg, rc);
                return NULL;
        }
        rc = launch(group, task);
        if (rc < 0)
                plait__task_finish_here(task, rc);
        return task;
}

plait_task *plait_group_start(plait_group *group, plait_fn *fn, void *arg, size_t size)
{
        return plait__group_start(__func__, group, NULL, fn, arg, size);
}

plait_task *plait_group_start_with(plait_group *group, const plait_task_options *options, plait_fn *fn, void *arg, size_t size)
{
        return plait__group_start(__func__, group, options, fn, arg, size);
}

int plait_group_post(plait_group *group, plait_fn *fn, const void *arg, size_t size)
{
        struct plait__strand *strand = plait__strand_or_abort(__func__);
        struct plait__scope *scope = plait__group_scope(group);
        struct plait_task *task;
        void *copy = (void *)(uintptr_t)arg;
        int rc;

        check_starter(__func__, group, strand);
        plait__point(strand->loop, false);
        rc = plait__scope_state_from(strand->loop, scope->owner, scope);
        if (rc < 0)
                return rc;
        if (size) {
                copy = plait__sys.alloc(size);
                if (!copy)
                        return -ENOMEM;
                memcpy(copy, arg, size);
        }
        rc = new_task(&task, strand->loop, group, NULL, fn, copy, size, true);
        if (rc < 0) {
                if (size)
                        plait__sys.free(copy);
                return rc;
        }
        task->strand.flags |= PLAIT__POSTED | (size ? PLAIT__OWN_BYTES : 0);
        rc = launch(group, task);
        if (rc < 0)
                plait__task_withdraw(task);
        return rc;
}
