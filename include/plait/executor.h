/* Executors: where tasks run.
 *
 *   executor               a task runs                          its struct            its cancel reaches
 *   plait_coroutines()     as a coroutine on one loop           in place              its waiting calls
 *   plait_threads()        on a thread of a shared pool         in place              its waiting calls
 *   plait_processes()      in a worker of a shared pool         copied there, back    its waiting calls; `kill_after`
 *   plait_own_thread()     on a fresh thread                    in place              its waiting calls
 *   plait_own_process()    in a fresh process                   copied there, back    its waiting calls; `kill_after`
 *
 * These five are constants, made when first used, never NULL and never closed; one that cannot be made fails each
 * task with the reason. plait_executor_open() makes more. Any strand may use an executor, in the process that has it.
 *
 * Coroutines. Tasks of a group begin in the order they were started, after the starter parks. A coroutine has a stack
 * of its own: by default 64 KiB of address space, the lowest 16 KiB of it a guard, so 48 KiB to use. Memory is taken as
 * it is touched; under RLIMIT_AS a quarter of the limit is set aside for such stacks, and a coroutine for which none is
 * left fails with -ENOMEM. A stack that overflows is reported on standard error with the task's name, and the process
 * dies of the signal. That is sure as long as no frame is larger than the guard: a function with an array of more than
 * 16 KiB can step over it, and what it then writes may be the stack of another task, without a fault. Where such
 * functions are, compile them with -fstack-clash-protection (gcc, clang): it touches a large frame page by page, from
 * the top, so the guard is always met.
 *
 * Threads. The `workers` of a pool bound how many tasks begin to compute at once. A task that parks gives up its
 * place, and the pool starts another thread when work waits and none is idle, up to `threads_max`; a parked task that
 * wakes goes on at once, without waiting for a place. Beyond `threads_max`, a strand that waits for its group runs
 * that group's unstarted tasks itself, so tasks that wait for tasks of the same pool do not block it. plait's threads
 * block all signals.
 *
 * Processes. Workers are made by a fork server: the program started a second time, in which the constructors of its
 * libraries and static objects have run and main() has not. So no global that main() set exists there, and of the
 * descriptors only standard output and error; standard input is empty. The bytes of a struct travel to the worker and
 * back: they must hold no pointers. The function must be one that the program or a library loaded from a file holds;
 * for others (a nested function, code made at run time) the task fails with -ENOEXEC. A worker ignores SIGINT, ends
 * with the program, and is replaced when it dies. The task that it ran then fails, its struct unchanged, and the others
 * do not notice:
 *
 *   -EOWNERDEAD    it died by itself (a signal, exit(), out of memory); plait_task_status() and _pid() tell more
 *   -ETIMEDOUT     plait killed it, `kill_after` a deadline
 *   -ECANCELED     plait killed it, `kill_after` a cancel, or for plait_task_kill()
 *
 * An ordinary failure, a negative result, brings its struct back like a success. Inside a worker plait_processes() is
 * a pool of that worker's own, of one worker.
 *
 * A pool that has workers has two processes more: the fork server, whose children they are, and between it and the
 * program a keeper. So a wait() or waitpid(-1) of the program's own meets none of plait's processes, nor is SIGCHLD sent
 * for them; with __WALL, and under valgrind, it sees one child, and to take that one's status does no harm. The keeper
 * has the program's memory in common with it: who adds up the memory of processes must leave it out.
 *
 * A program in which plait cannot start itself again (libplait brought in by dlopen(), a setuid program, or one for
 * another processor that runs under qemu-user) gets -ENOTSUP from each task for processes.
 *
 * At exit() nothing is waited for: threads stop with the process, workers are ended. */
#ifndef PLAIT_EXECUTOR_H
#define PLAIT_EXECUTOR_H

#include <plait/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A task's function. 0 or a positive result is success, a negative errno is failure. */
typedef int plait_fn(void *arg);

/* Where tasks run. A pointer to one means nothing in another process. */
typedef struct plait_executor plait_executor;

/* The loop of the thread that opens the group: tasks run there whenever a strand of that thread parks, and never at
 * the same time as each other. NULL as an executor means this one. */
PLAIT_API plait_executor *plait_coroutines(void);

/* The shared pool of threads: as many compute at once as this process may use processors. */
PLAIT_API plait_executor *plait_threads(void);

/* The shared pool of worker processes: as many as this process may use processors. */
PLAIT_API plait_executor *plait_processes(void);

/* A fresh thread for each task, at once, however many; it ends with the task. */
PLAIT_API plait_executor *plait_own_thread(void);

/* A fresh process for each task, at once, however many; it ends with the task. */
PLAIT_API plait_executor *plait_own_process(void);

/* What an executor that is opened consists of. */
typedef enum {
        PLAIT_COROUTINES = 1,           /* on `workers` loops */
        PLAIT_THREADS,
        PLAIT_PROCESSES
} plait_kind;

/* How worker processes come to be. Only PLAIT_FORKSERVER is there yet; plait_executor_open() answers the other
 * two with -ENOTSUP. */
typedef enum {
        PLAIT_FORKSERVER,               /* forked from a fresh copy of the program, in which main() never ran */
        PLAIT_SPAWN,                    /* the program is started anew for each worker */
        PLAIT_FORK                      /* forked from this process */
} plait_start_method;

typedef struct plait_gil plait_gil;     /* plait/gil.h */

/* How to make an executor. Zero in a field means its default; a field that does not concern the kind is ignored. */
typedef struct plait_executor_options {
        plait_kind kind PLAIT__ZERO;    /* has no default */

        /* Threads that compute, or processes. 0: as many as this process may use processors, by its affinity and its
         * cgroup's quota, at least 1. Coroutines: loops, each on a thread of its own; but 1: the loop of the thread that
         * opens the group. */
        unsigned workers PLAIT__ZERO;

        const char *name PLAIT__ZERO;   /* not copied: stays until the executor is closed */

        /* Stack that a task can use, in bytes. Coroutines: the 16 KiB guard is added and the sum rounded up to a power
         * of two; 0: 48 KiB, a slot of 64 KiB. Threads: 0: what the system gives a new thread. Not for processes, whose
         * workers have the stack of a program. More than 1 GiB: -EINVAL. */
        size_t stack_bytes PLAIT__ZERO;

        /* Run once in each worker (loop, thread or process; with one worker of coroutines -ENOTSUP) before its first
         * task. If it fails, the executor's tasks fail with its result. The `initializer_arg_size` bytes at
         * `initializer_arg` are copied at the opening; each worker has its own copy. Size 0: the pointer itself; to
         * processes -EFAULT unless it is NULL. */
        plait_fn *initializer PLAIT__ZERO;
        void *initializer_arg PLAIT__ZERO;
        size_t initializer_arg_size PLAIT__ZERO;

        unsigned threads_max PLAIT__ZERO;               /* threads: parked ones included; 0: 1024 */
        unsigned max_tasks_per_worker PLAIT__ZERO;      /* processes: then it is replaced by a fresh one; 0: never */
        plait_start_method start_method PLAIT__ZERO;    /* processes */
        plait_gil *gil PLAIT__ZERO;     /* threads: held by a task while it computes; coroutines: -ENOTSUP */
} plait_executor_options;

/* Makes an executor. *ret is the caller's, who ends it with plait_executor_close(). Threads and workers are started
 * when tasks need them. Returns 0, -EINVAL (a null or unknown kind, stack_bytes above 1 GiB), -EFAULT (an
 * initializer_arg of size 0 for processes), -ENOTSUP (a start method other than PLAIT_FORKSERVER; processes where plait
 * cannot start the program again), -ENOMEM, -EAGAIN (no more threads or processes allowed) or -EMFILE (no more
 * descriptors). */
PLAIT_API int plait_executor_open(plait_executor **ret, const plait_executor_options *options);

/* Waits until the executor's tasks have ended, ends its threads or workers, and frees it; no group may be opened on it
 * or start a task in it from here on, but groups whose tasks have all ended may still be waited for and done
 * afterwards. Cut short by a deadline or cancel, it cancels the tasks (coroutines: their groups), kills workers at
 * once, and still waits for the tasks; the executor is gone on every return but -ENOTSUP. Takes NULL. Returns 0,
 * -ETIMEDOUT, -ECANCELED, or -ENOTSUP for one of the five constants. Aborts when a task that runs in the executor calls
 * it. */
PLAIT_WAITS int plait_executor_close(plait_executor *executor);

#ifdef __cplusplus
}
#endif
#endif
