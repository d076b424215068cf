#include "task/backlog.h"

struct plait_task *plait__backlog_pop(struct plait__backlog *backlog)
{
        struct plait__link *link = plait__list_first(&backlog->tasks);
        struct plait_task *task;

        if (!link)
                return NULL;
        task = plait__task_of(plait__container(link, struct plait__strand, wait));
        plait__backlog_remove(backlog, task);
        return task;
}

struct plait_task *plait__backlog_pop_of(struct plait__backlog *backlog, const plait_group *group)
{
        struct plait__link *link;
        struct plait_task *task;

        for (link = backlog->tasks.next; link && link != &backlog->tasks; link = link->next) {
                task = plait__task_of(plait__container(link, struct plait__strand, wait));
                if (task->group == group) {
                        plait__backlog_remove(backlog, task);
                        return task;
                }
        }
        return NULL;
}
