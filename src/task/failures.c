/* What is known of tasks that failed, while their group is open and afterwards, until it is forgotten. */
#include <errno.h>
#include <string.h>

#include "core/strand.h"
#include "task/group.h"

/* ---- while it is open */

void plait__group_note_failure(struct plait__group *group, struct plait_task *task, int result)
{
        struct plait__link *link = task ? &task->strand.wait : NULL, *last;

        plait__spin_acquire(&group->lock);      /* of a local group too: any strand may ask for its failures */
        if (group->failures == 0)
                group->first_failure = result;
        if (group->failures < UINT32_MAX)
                group->failures++;
        if (task)
                task->result = result;
        if (task && (!(task->strand.flags & PLAIT__POSTED) || group->failures <= PLAIT__FAILURES_OF_POSTED)) {
                last = group->failed ? &group->failed->strand.wait : link;
                link->next = last == link ? link : last->next;
                last->next = link;
                group->failed = task;
                task->strand.flags |= PLAIT__FAILED;
        }
        plait__spin_release(&group->lock);
}

static void unlink_failure(struct plait__group *group, struct plait_task *task)
{
        struct plait__link *last = &group->failed->strand.wait, *before = last;

        while (before->next != &task->strand.wait)
                before = before->next;
        before->next = task->strand.wait.next;
        if (before == &task->strand.wait)       /* it was the only one */
                group->failed = NULL;
        else if (last == &task->strand.wait)
                group->failed = plait__task_of(plait__container(before, struct plait__strand, wait));
        task->strand.flags &= (uint8_t)~PLAIT__FAILED;
}

void plait__group_drop_failure(struct plait__group *group, struct plait_task *task)
{
        if (group->scope.group_local)           /* else it is locked already */
                plait__spin_acquire(&group->lock);
        unlink_failure(group, task);
        if (group->scope.group_local)
                plait__spin_release(&group->lock);
}

/* ---- afterwards */

/* Failures of groups that have ended and are not forgotten: the last record of each ring, by `next`. They are found here by the
 * group's address, because the group's own memory may be garbage (see plait__group_end()). */
struct plait_task *_Atomic plait__failures_kept;

static plait__spin kept_lock;

void plait__group_keep_failures(struct plait__group *group)
{
        struct plait_task *last = group->failed;

        plait__spin_acquire(&kept_lock);
        last->strand.next = plait__failures_kept ? &plait__failures_kept->strand : NULL;
        plait__failures_kept = last;
        plait__spin_release(&kept_lock);
}

static struct plait_task *find_failures(const plait_group *group)
{
        struct plait_task *task, *before = NULL;

        plait__spin_acquire(&kept_lock);
        for (task = plait__failures_kept; task && task->group != group; task = plait__task_of(task->strand.next))
                before = task;
        if (task && before)
                before->strand.next = task->strand.next;
        else if (task)
                plait__failures_kept = plait__task_of(task->strand.next);
        plait__spin_release(&kept_lock);
        return task;
}

void plait__group_forget_failures(const plait_group *group)
{
        struct plait_task *last = find_failures(group);
        struct plait__link *link, *next, *end;

        if (!last)
                return;
        end = &last->strand.wait;
        for (link = end->next; link; link = next) {
                next = link == end ? NULL : link->next;
                plait__record_free(plait__loop_here, plait__task_of(plait__container(link, struct plait__strand, wait)));
        }
}

/* ---- asking */

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

        plait__not_forked(__func__);
        if (inner->scope.group_state == PLAIT__GROUP_CLOSED)
                return 0;
        plait__spin_acquire(&inner->lock);
        failures = inner->failures;
        plait__store(&inner->read, true);
        last = inner->failed ? &inner->failed->strand.wait : NULL;
        for (link = last ? last->next : NULL; link && count < max; link = link == last ? NULL : link->next)
                tell_failure(&ret[count++], plait__task_of(plait__container(link, struct plait__strand, wait)));
        /* Of these no record could be had; or, behind so many failures that they are not kept, it went with the task. */
        for (; count < max && count < failures; count++) {
                memset(&ret[count], 0, sizeof ret[count]);
                if (count < PLAIT__FAILURES_OF_POSTED)
                        ret[count].result = inner->start_failure ? inner->start_failure : -ENOMEM;
        }
        plait__spin_release(&inner->lock);
        return failures;
}
