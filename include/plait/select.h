/* Select: waiting for the first of several things.
 *
 *         plait_case cases[] = {
 *                 PLAIT_GET(jobs, &job),
 *                 PLAIT_EVENT(&stop),
 *                 PLAIT_READABLE(fd),
 *                 PLAIT_AFTER(5 * PLAIT_S),
 *         };
 *
 *         switch (plait_select(cases, 4)) {
 *         case 0:
 *                 return cases[0].result == 0 ? handle(&job) : 0;         // -EPIPE: shut down, no more jobs
 *         case 1:
 *                 return 0;
 *         case 2:
 *                 return answer(fd);
 *         case 3:
 *                 return say_idle();
 *         default:
 *                 return -ECANCELED;                      // or what else it returned
 *         }
 */
#ifndef PLAIT_SELECT_H
#define PLAIT_SELECT_H

#include <plait/base.h>
#include <plait/event.h>
#include <plait/queue.h>
#include <plait/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One of the things that a select waits for, made by the macros below, and `result`, which is written when it is the
 * one that was taken. Cases may be used again for any number of selects. */
typedef struct plait_case {
        int result;
        struct {
                int kind, fd;
                void *object, *item;
                plait_time time;
        } private_;
} plait_case;

/* An item is got from the queue to *item. The result is that of plait_queue_get(): 0, or -EPIPE. */
#define PLAIT_GET(queue, item) plait__case_get(queue, item)

/* *item is put into the queue. The result is that of plait_queue_put(): 0, -EPIPE, or -ENOMEM. */
#define PLAIT_PUT(queue, item) plait__case_put(queue, item)

/* The event is set. The result is 0. */
#define PLAIT_EVENT(event) plait__case_event(event)

/* The task has ended. The result is the task's. As everywhere, a task may be NULL: it ended with -ENOMEM. */
#define PLAIT_TASK(task) plait__case_task(task)

/* Something can be read from the descriptor, its end and its errors included; something can be written to it. The
 * result is 0: ready, and nothing was read or written yet; -EBADF: not open, or closed by plait_close() meanwhile. */
#define PLAIT_READABLE(fd) plait__case_fd(PLAIT__CASE_READABLE, fd)
#define PLAIT_WRITABLE(fd) plait__case_fd(PLAIT__CASE_WRITABLE, fd)

/* So much time is over since the select was called; the moment has come. The result is 0. A span of 0 or less is
 * over at once; PLAIT_FOREVER never is. */
#define PLAIT_AFTER(span) plait__case_time(PLAIT__CASE_AFTER, span)
#define PLAIT_AT(moment) plait__case_time(PLAIT__CASE_AT, moment)

/* Waits until one of the cases is ready and takes it, that one and no other: if it is a get or a put the item has been
 * moved, and nothing was got or put by the others. A case is ready when it can be done at once, be it with an error: a
 * get from a queue that is shut down and drained is, with -EPIPE. If several are ready, each of them is as likely to be
 * taken. While it waits, a select has its place among those who wait for each of the queues, and is served in its turn.
 *
 * Returns the number of the case that was taken, from 0 on, and its `result` says how it went. Or none was taken:
 * -ETIMEDOUT or -ECANCELED; -EINVAL (no cases, more than INT_MAX, a null pointer, an unknown kind); -ENOMEM; of
 * descriptors also -ENOSPC, -EMFILE, -ENFILE. What the cases are about must stay until the call returns, but for the
 * group of a task. Aborts when a task is to wait for itself. */
PLAIT_WAITS int plait_select(plait_case *cases, size_t count);

/* Likewise, but if several cases are ready the first of them is taken. One that always is keeps those behind it from
 * ever being taken. */
PLAIT_WAITS int plait_select_in_order(plait_case *cases, size_t count);

/* As plait_select(), without waiting: -EAGAIN if no case is ready. Never parks; no checkpoint. */
PLAIT_API int plait_select_try(plait_case *cases, size_t count);

/* Not for use: what the macros need. */
enum {
        PLAIT__CASE_GET = 1,
        PLAIT__CASE_PUT,
        PLAIT__CASE_EVENT,
        PLAIT__CASE_TASK,
        PLAIT__CASE_READABLE,
        PLAIT__CASE_WRITABLE,
        PLAIT__CASE_AFTER,
        PLAIT__CASE_AT
};

static inline plait_case plait__case(int kind, int fd, void *object, const void *item, plait_time time)
{
        plait_case made;

        made.result = 0;
        made.private_.kind = kind;
        made.private_.fd = fd;
        made.private_.object = object;
        made.private_.item = (void *)(uintptr_t)item;
        made.private_.time = time;
        return made;
}

static inline plait_case plait__case_get(plait_queue *queue, void *item)
{
        return plait__case(PLAIT__CASE_GET, -1, queue, item, 0);
}

static inline plait_case plait__case_put(plait_queue *queue, const void *item)
{
        return plait__case(PLAIT__CASE_PUT, -1, queue, item, 0);
}

static inline plait_case plait__case_event(plait_event *event)
{
        return plait__case(PLAIT__CASE_EVENT, -1, event, NULL, 0);
}

static inline plait_case plait__case_task(plait_task *task)
{
        return plait__case(PLAIT__CASE_TASK, -1, task, NULL, 0);
}

static inline plait_case plait__case_fd(int kind, int fd)
{
        return plait__case(kind, fd, NULL, NULL, 0);
}

static inline plait_case plait__case_time(int kind, plait_time time)
{
        return plait__case(kind, -1, NULL, NULL, time);
}

#ifdef __cplusplus
}
#endif
#endif
