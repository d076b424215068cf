#include "plait/group.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/panic.h"
#include "base/sys.h"
#include "core/strand.h"
#include "task/executor.h"
#include "task/group.h"

static struct plait__strand *strand_for(const char *call)
{
        struct plait__strand *strand = plait__strand_here(call);

        if (!strand)
                plait__panic(call, "no memory for this thread's loop");
        return strand;
}

static const char *name_of(const plait_group *group)
{
        return group->name ? group->name : "unnamed";
}

/* ---- who may call */

static void check_open(const char *call, const plait_group *group)
{
        if (plait__group_of(group)->scope.group_state != PLAIT__GROUP_OPEN)
                plait__panic(call, "the group '%s' is not open", name_of(group));
}

/* Of a detached group, which has no owner. */
static void check_alone(const char *call, const plait_group *group)
{
        struct plait__group *inner = plait__group_of(group);
        const struct plait__strand *waiter;

        plait__group_lock(inner);
        for (waiter = inner->waiters; waiter && waiter->object != group;)
                waiter = waiter->wait.next ? plait__container(waiter->wait.next, struct plait__strand, wait) : NULL;
        if (waiter)
                plait__panic(call, "another strand is waiting for the group '%s'", name_of(group));
        plait__group_unlock(inner);
}

static void check_owner(const char *call, const plait_group *group, const struct plait__strand *strand)
{
        check_open(call, group);
        if (plait__task_of(strand)->group == group)
                plait__panic(call, "called by a task of the group '%s', which it would wait for", name_of(group));
        if (!group->detached && plait__group_of(group)->scope.owner != strand)
                plait__panic(call, "not called by the owner of the group '%s'", name_of(group));
        if (group->detached)
                check_alone(call, group);
}

static void check_starter(const char *call, const plait_group *group, const struct plait__strand *strand)
{
        check_open(call, group);
        if (!group->detached && plait__group_of(group)->scope.owner != strand && plait__task_of(strand)->group != group)
                plait__panic(call, "neither the owner nor a task of the group '%s'", name_of(group));
}

/* ---- opening */

static void forget(plait_group *group);

void plait_group_open(plait_group *group)
{
        struct plait__strand *strand = strand_for(__func__);
        struct plait__group *inner = plait__group_of(group);
        struct plait__loop *loop = strand->loop;
        plait_time deadline = PLAIT_FOREVER;
        size_t bound;

        if (inner->scope.group_state == PLAIT__GROUP_OPEN)
                plait__panic(__func__, "the group '%s' is open already", name_of(group));
        if (inner->scope.group_state == PLAIT__GROUP_ENDED)
                forget(group);
        memset(group->private_, 0, sizeof group->private_);
        if (!group->executor)
                group->executor = plait_coroutines();
        bound = group->limit ? group->limit : plait__class_of(group->executor)->width(group->executor);
        inner->bound = bound > UINT32_MAX ? 0 : (uint32_t)bound;
        inner->loop = loop;
        inner->scope.group_local = group->executor->class->local && !group->detached;
        plait__store(&inner->scope.group_state, PLAIT__GROUP_OPEN);
        if (group->within && group->within != PLAIT_FOREVER)
                deadline = plait__clock_after(plait__loop_now(loop), group->within);
        if (group->detached) {
                inner->scope.deadline = deadline;
                plait__store(&inner->scope.reach, deadline);
                inner->scope.kind = PLAIT__SCOPE_GROUP;
                if (group->executor->class->local)
                        atomic_fetch_add_explicit(&loop->lodgers, 1, memory_order_relaxed);
                return;
        }
        plait__scope_push(strand, &inner->scope, PLAIT__SCOPE_GROUP, deadline);
        if (!inner->scope.group_local)
                plait__tree_add(strand, group);
}

/* ---- starting */

static int set_extra(struct plait_task *task, const plait_task_options *options)
{
        struct plait__extra *extra;

        if (!options || (!options->name && !options->within && !options->kill_after && !options->stack_bytes))
                return 0;
        extra = plait__record_extra(task);
        if (!extra)
                return -ENOMEM;
        extra->within = options->within;
        extra->kill_after = options->kill_after;
        extra->stack_bytes = options->stack_bytes;
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
                    plait_fn *fn, void *arg, size_t size)
{
        const struct plait__executor_class *class = plait__class_of(group->executor);
        size_t stack_bytes = options && options->stack_bytes ? options->stack_bytes : group->executor->stack_bytes;
        int stack_class = stack_bytes ? plait__stack_class(stack_bytes) : 0, rc;
        struct plait_task *task;

        if (!fn || stack_class < 0)
                return -EINVAL;
        if (class->accept && (rc = class->accept(group->executor, fn, arg, size)) < 0)
                return rc;
        task = plait__record_new(loop);
        if (!task)
                return -ENOMEM;
        rc = set_extra(task, options);
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

static void launch(plait_group *group, struct plait_task *task)
{
        struct plait__group *inner = plait__group_of(group);
        bool withheld;

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
        if (!withheld)
                plait__task_hand_over(task);
}

struct plait_task *plait__group_start(const char *call, plait_group *group, const plait_task_options *options, plait_fn *fn, void *arg,
                                      size_t size)
{
        struct plait__strand *strand = strand_for(call);
        struct plait_task *task;
        int rc;

        check_starter(call, group, strand);
        plait__point(strand->loop, false);
        rc = new_task(&task, strand->loop, group, options, fn, arg, size);
        if (rc < 0) {
                note_start_failure(group, strand->loop, options, arg, rc);
                return NULL;
        }
        launch(group, task);
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
        struct plait__strand *strand = strand_for(__func__);
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
        rc = new_task(&task, strand->loop, group, NULL, fn, copy, size);
        if (rc < 0) {
                if (size)
                        plait__sys.free(copy);
                return rc;
        }
        task->strand.flags |= PLAIT__POSTED | (size ? PLAIT__OWN_BYTES : 0);
        launch(group, task);
        return 0;
}

/* ---- waiting */

static void waiter_add(struct plait__group *group, struct plait__strand *strand, void *object)
{
        strand->object = object;
        strand->wait.next = group->waiters ? &group->waiters->wait : NULL;
        group->waiters = strand;
}

static void waiter_remove(struct plait__group *group, struct plait__strand *strand)
{
        struct plait__link *link;

        if (group->waiters == strand) {
                group->waiters = strand->wait.next ? plait__container(strand->wait.next, struct plait__strand, wait) : NULL;
                return;
        }
        for (link = &group->waiters->wait; link->next != &strand->wait; link = link->next)
                ;
        link->next = strand->wait.next;
}

int plait__group_park(struct plait__strand *strand, plait_group *group, void *object,
                      bool (*done)(struct plait__group *group, void *object), const struct plait__scope *skip, bool cancellable)
{
        struct plait__group *inner = plait__group_of(group);
        plait_time until = !cancellable ? PLAIT_FOREVER : skip ? plait__scope_reach(strand, skip) : strand->deadline;
        int rc = 0;

        plait__group_lock(inner);
        if (done(inner, object)) {
                plait__group_unlock(inner);
                return 0;
        }
        waiter_add(inner, strand, object);
        while (!done(inner, object)) {
                plait__group_unlock(inner);
                rc = cancellable ? plait__scope_state(strand, skip) : 0;
                if (rc == 0)
                        plait__park(strand, object == group ? PLAIT__ON_GROUP : PLAIT__ON_TASK, until);
                plait__group_lock(inner);
                if (rc < 0)
                        break;
        }
        if (done(inner, object))
                rc = 0;
        waiter_remove(inner, strand);
        plait__group_unlock(inner);
        return rc;
}

static bool some_ended(struct plait__group *group, void *object)
{
        (void)object;
        return group->ended || group->owed == 0;
}

static bool has_room(struct plait__group *group, void *object)
{
        (void)object;
        return !group->bound || group->begun < group->bound;
}

/* A task that no thread is going to begin soon: of a group that has ended, or when the pool has no thread to give (then it
 * runs here, as a coroutine). */
static bool take_back(struct plait__strand *strand, plait_group *group)
{
        struct plait__group *inner = plait__group_of(group);
        plait_executor *executor = group->executor;
        bool ended = plait__scope_state_from(strand->loop, inner->scope.owner, &inner->scope) < 0;
        const struct plait__executor_class *class = plait__class_of(executor);
        struct plait_task *task = class->take_back ? class->take_back(executor, group, !ended) : NULL;

        if (!task)
                return false;
        task->strand.loop = strand->loop;
        task->strand.flags |= PLAIT__TAKEN;
        plait__loop_append(strand->loop, &task->strand);
        return true;
}

/* The group's own deadline is its tasks' business, but for those that have not begun. */
static plait_time next_look(struct plait__strand *strand, const struct plait__group *group, plait_time until)
{
        plait_time deadline = group->scope.deadline;

        if (group->scope.group_local || deadline >= until || deadline <= plait__loop_now(strand->loop))
                return until;
        return deadline;
}

void plait__group_wait_all(struct plait__strand *strand, plait_group *group, bool cancellable)
{
        struct plait__group *inner = plait__group_of(group);
        plait_time until = cancellable ? plait__scope_reach(strand, &inner->scope) : PLAIT_FOREVER;
        int rc;

        plait__group_lock(inner);
        if (inner->live) {
                waiter_add(inner, strand, group);
                do {
                        plait__group_unlock(inner);
                        rc = cancellable ? plait__scope_state(strand, &inner->scope) : 0;
                        if (rc < 0) {
                                plait__group_end_scope(group, rc == -ETIMEDOUT ? PLAIT__CANCEL_TIMEOUT : PLAIT__CANCEL_OUTER);
                                cancellable = false;            /* it goes on until all have ended */
                                until = PLAIT_FOREVER;
                        }
                        while (!inner->scope.group_local && take_back(strand, group))
                                ;
                        plait__park(strand, PLAIT__ON_GROUP, next_look(strand, inner, until));
                        plait__group_lock(inner);
                } while (inner->live);
                waiter_remove(inner, strand);
        }
        plait__group_unlock(inner);
}

static void free_tasks(plait_group *group, struct plait__loop *loop)
{
        struct plait__group *inner = plait__group_of(group);
        struct plait__link *link = inner->tasks ? &inner->tasks->siblings : NULL, *next;
        struct plait_task *task;

        for (; link; link = next) {
                next = link->next;
                task = plait__container(link, struct plait_task, siblings);
                if (!(task->strand.flags & PLAIT__FAILED))
                        plait__record_free(loop, task);
        }
        inner->tasks = NULL;
        inner->ended = NULL;
}

/* Failures of groups that have ended and are not forgotten: the last record of each ring, by `next`. They are found here by the
 * group's address, because the group's own memory may be garbage (see plait__group_end()). */
static struct plait_task *_Atomic kept;
static plait__spin kept_lock;

static void keep_failures(struct plait_task *last)
{
        plait__spin_acquire(&kept_lock);
        last->strand.next = kept ? &kept->strand : NULL;
        kept = last;
        plait__spin_release(&kept_lock);
}

static struct plait_task *find_failures(const plait_group *group)
{
        struct plait_task *task, *before = NULL;

        plait__spin_acquire(&kept_lock);
        for (task = kept; task && task->group != group; task = plait__task_of(task->strand.next))
                before = task;
        if (task && before)
                before->strand.next = task->strand.next;
        else if (task)
                kept = plait__task_of(task->strand.next);
        plait__spin_release(&kept_lock);
        return task;
}

static bool forget_failures(const plait_group *group)
{
        struct plait_task *last = find_failures(group);
        struct plait__link *link, *next, *end;

        if (!last)
                return false;
        end = &last->strand.wait;
        for (link = end->next; link; link = next) {
                next = link == end ? NULL : link->next;
                plait__record_free(plait__loop_here, plait__task_of(plait__container(link, struct plait__strand, wait)));
        }
        return true;
}

/* No task is left: the group is no scope any more; failures stay. */
void plait__group_close(plait_group *group, struct plait__strand *strand)
{
        struct plait__group *inner = plait__group_of(group);

        if (!group->detached && !inner->scope.group_local)
                plait__tree_remove(strand, group);      /* first: who cancels from outside finds the tasks by it */
        free_tasks(group, strand->loop);
        if (group->detached) {
                plait__scope_uncancel(&inner->scope);
                if (group->executor->class->local)
                        atomic_fetch_sub_explicit(&inner->loop->lodgers, 1, memory_order_relaxed);
        } else {
                plait__scope_remove(strand, &inner->scope);
        }
        if (inner->failed)
                keep_failures(inner->failed);
        plait__store(&inner->scope.group_state, PLAIT__GROUP_ENDED);
}

static void forget(plait_group *group)
{
        if (plait__group_of(group)->failed)
                forget_failures(group);
        memset(group->private_, 0, sizeof group->private_);
}

int plait__group_result(const plait_group *group)
{
        const struct plait__group *inner = plait__group_of(group);

        return inner->failures ? inner->first_failure : inner->cut;
}

int plait_group_wait(plait_group *group)
{
        struct plait__strand *strand = strand_for(__func__);

        check_owner(__func__, group, strand);
        plait__point(strand->loop, true);
        plait__group_wait_all(strand, group, true);
        plait__group_close(group, strand);
        return plait__group_result(group);
}

static bool has_live(struct plait__group *group)
{
        bool live;

        plait__group_lock(group);
        live = group->live;
        plait__group_unlock(group);
        return live;
}

void plait_group_done(plait_group *group)
{
        struct plait__group *inner = plait__group_of(group);
        struct plait__strand *strand;

        if (inner->scope.group_state == PLAIT__GROUP_OPEN) {
                strand = strand_for(__func__);
                check_owner(__func__, group, strand);
                plait__point(strand->loop, true);
                if (has_live(inner))
                        plait__group_end_scope(group, PLAIT__CANCEL_QUIET);
                plait__group_wait_all(strand, group, false);
                plait__group_close(group, strand);
        }
        if (inner->scope.group_state == PLAIT__GROUP_ENDED)
                forget(group);
}

int plait_group_next(plait_group *group, plait_task **ret)
{
        struct plait__strand *strand = strand_for(__func__);
        struct plait__group *inner = plait__group_of(group);
        struct plait_task *task;
        int rc;

        check_owner(__func__, group, strand);
        plait__point(strand->loop, true);
        rc = plait__scope_state(strand, &inner->scope);
        if (rc < 0) {
                plait__yield(strand);
                return rc;
        }
        rc = plait__group_park(strand, group, group, some_ended, &inner->scope, true);
        if (rc < 0)
                return rc;
        plait__group_lock(inner);
        task = plait__group_next_ended(inner);
        inner->owed -= task != NULL;
        plait__group_unlock(inner);
        if (!task)
                return -ENOENT;
        *ret = task;
        return 0;
}

int plait_group_room(plait_group *group)
{
        struct plait__strand *strand = strand_for(__func__);
        int rc;

        check_owner(__func__, group, strand);
        rc = plait__enter(strand);
        return rc < 0 ? rc : plait__group_park(strand, group, group, has_room, NULL, true);
}

/* ---- afterwards */

static void tell_failure(plait_failure *ret, const struct plait_task *task)
{
        memset(ret, 0, sizeof *ret);
        ret->result = task->result;
        ret->status = task->status;
        ret->pid = plait_task_pid(task);
        ret->arg = task->strand.flags & PLAIT__POSTED ? NULL : task->arg;
        strncpy(ret->name, plait_task_name(task), sizeof ret->name - 1);
}

size_t plait_group_failures(const plait_group *group, plait_failure *ret, size_t max)
{
        struct plait__group *inner = plait__group_of(group);
        struct plait__link *link, *last;
        size_t count = 0, failures;

        if (inner->scope.group_state == PLAIT__GROUP_CLOSED)
                return 0;
        plait__spin_acquire(&inner->lock);
        failures = inner->failures;
        last = inner->failed ? &inner->failed->strand.wait : NULL;
        for (link = last ? last->next : NULL; link && count < max; link = link == last ? NULL : link->next)
                tell_failure(&ret[count++], plait__task_of(plait__container(link, struct plait__strand, wait)));
        for (; count < max && count < failures; count++) {      /* of these no record could be had, or is kept */
                memset(&ret[count], 0, sizeof ret[count]);
                ret[count].result = inner->start_failure ? inner->start_failure : -ENOMEM;
        }
        plait__spin_release(&inner->lock);
        return failures;
}

void plait__group_begin(plait_group *group)
{
        if (group->detached)
                plait__panic("PLAIT_GROUP", "the group '%s' is detached: it belongs to no block", name_of(group));
        plait_group_open(group);
}

/* The end of a block acts only on what this strand has open: gcc lets a goto jump over the declaration. A group that its
 * strand has waited for still has its failures to give back. */
void plait__group_end(plait_group *group)
{
        struct plait__loop *loop = plait__loop_here;
        const struct plait__scope *scope;

        if (!loop)
                return;
        for (scope = loop->current->scope; scope; scope = plait__load(&scope->parent)) {
                if (scope == plait__group_scope(group)) {
                        plait_group_done(group);
                        return;
                }
        }
        if (plait__unlikely(plait__load(&kept) != NULL))
                forget_failures(group);
}
