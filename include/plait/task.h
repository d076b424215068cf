/* Tasks: asking about those that a group has started, and running a single one without a group.
 *
 * plait_group_start() (plait/group.h) returns a pointer to a task. It is good until plait_group_wait() or
 * plait_group_done() on that group returns, in the process that started it. Until then any strand may make the calls
 * below. Each takes NULL, the task of a start that could not be made: see plait_task_result(). */
#ifndef PLAIT_TASK_H
#define PLAIT_TASK_H

#include <sys/types.h>

#include <plait/base.h>
#include <plait/executor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A started task. It belongs to its group. */
typedef struct plait_task plait_task;

/* What is special about one task: plait_group_start_with(). Zero in a field means its default. */
typedef struct plait_task_options {
        const char *name PLAIT__ZERO;           /* copied, its first 31 bytes; NULL: the name of the group */
        plait_time within PLAIT__ZERO;          /* counts from when the task begins; 0: none; negative: over at once */
        plait_time kill_after PLAIT__ZERO;      /* processes: in place of the group's; 0: the group's */
        size_t stack_bytes PLAIT__ZERO;         /* coroutines, own threads: as in the executor's; 0: the executor's */

        /* Processes: the task is run again so many times after its worker died by itself (-EOWNERDEAD; never after plait
         * killed it). For tasks that may run twice. Each run is given the struct as the caller left it; what comes back is
         * the last run's, and plait_task_pid() and _status() tell of the last death if all runs died. The time of `within`
         * goes on over all runs; a task that is cancelled or out of time is not run again. */
        unsigned retries PLAIT__ZERO;

        /* The task begins so long after its start at the earliest, for timers: plait_task_cancel() before, and it never runs.
         * Until then it counts as begun and waits where it will run: a thread or a worker is taken for it. 0 or less: at
         * once. */
        plait_time after PLAIT__ZERO;
} plait_task_options;

/* One task that failed: plait_group_failures(), plait_map_with(). */
typedef struct plait_failure {
        int result PLAIT__ZERO;                 /* the negative errno; 0: nobody failed */
        int status PLAIT__ZERO;                 /* the wait status of the worker, if it died in the task; else 0 */
        pid_t pid PLAIT__ZERO;                  /* that of the worker process; 0 for coroutines and threads */
        void *arg PLAIT__ZERO;                  /* its struct, the caller's own; NULL: posted, or no item's of a map */
        char name[32] PLAIT__ZERO;              /* ends in a 0 */
} plait_failure;

/* What the function returned. Other results: -EINPROGRESS (not ended, perhaps not begun), -ECANCELED or -ETIMEDOUT (it
 * never ran, for that reason), the reason for which its executor could not run it, -EOWNERDEAD (its worker died),
 * -ETIMEDOUT or -ECANCELED (plait killed its worker). Of NULL: -ENOMEM; plait_group_failures() tells the true
 * reason. */
PLAIT_API int plait_task_result(const plait_task *task);

/* The struct that was given to the start. Of NULL: NULL. While the task has not ended, the struct is the task's. */
PLAIT_API void *plait_task_arg(const plait_task *task);

/* Its name, never NULL: its own, else that of its group, else "". Good as long as the task is. Of NULL: "". */
PLAIT_API const char *plait_task_name(const plait_task *task);

/* The process it runs or ran in: for processes, once it has begun; else 0. */
PLAIT_API pid_t plait_task_pid(const plait_task *task);

/* The wait status, as waitpid() gives it, of the worker that died in the task; else 0. */
PLAIT_API int plait_task_status(const plait_task *task);

/* Cancels this task alone: not begun, it never runs and ends with -ECANCELED; begun, its waiting calls return
 * -ECANCELED from now on, and a process is killed after `kill_after`. It cancels no sibling, and how it then ends does
 * not show in the group's result. One that has ended: nothing happens. */
PLAIT_API void plait_task_cancel(plait_task *task);

/* Likewise, but a worker that runs the task is killed at once (SIGKILL): the task ends with -ECANCELED, its struct
 * unchanged. Returns 0, also if the task has ended or never began, or of NULL; -ENOTSUP for a coroutine or a thread,
 * which then was not cancelled either. */
PLAIT_API int plait_task_kill(plait_task *task);

/* Waits until the task has ended, and then writes its result to *ret (which may be NULL). Returns 0, or -ETIMEDOUT or
 * -ECANCELED when the wait was cut short; the task goes on then. For its owner, the group's end reaches this call: only
 * plait_group_wait() and plait_group_next() outlast it. Of NULL: 0, and *ret as plait_task_result(). Another
 * strand's wait that began while the group was open gets the result even if the group has ended by the time it returns.
 * Aborts when a task waits for itself. */
PLAIT_WAITS int plait_task_wait(plait_task *task, int *ret);

/* Runs `fn` as one task on the executor and waits until it has ended: a group of one. `arg` and `size` as in
 * plait_group_start(). If this strand is cancelled or out of time, so is the task, and the call goes on until it has
 * ended. Returns the function's result, positive ones too; -ETIMEDOUT or -ECANCELED if it was cut short; -EINVAL (a
 * null function), -ENOMEM, -EFAULT (a pointer of size 0 to a process), -ENOEXEC (a function that another process cannot
 * find), -EOWNERDEAD (its worker died), or the reason for which the executor could not run it. */
PLAIT_WAITS int plait_call(plait_executor *executor, plait_fn *fn, void *arg, size_t size);

/* Likewise, but is back at the deadline or cancel, whatever the function does. For code that cannot be stopped. The
 * function runs on a copy of the `size` bytes; they are copied back only together with its own result. If it is cut
 * short, *arg is unchanged, a process is killed, and a thread is left to itself: it goes on with its copy and ends when
 * the function does. (p, 0) gives the pointer itself to an own thread: what it points to must then outlive the
 * function. The executor is plait_own_thread() or plait_own_process(); others: -EINVAL. Other results as plait_call(),
 * and -EAGAIN (no more threads or processes allowed). */
PLAIT_WAITS int plait_call_or_leave(plait_executor *executor, plait_fn *fn, void *arg, size_t size);

#ifdef __cplusplus
}
#endif
#endif
