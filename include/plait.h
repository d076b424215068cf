/* plait: threads, worker processes and coroutines under one set of calls.
 *
 * A task is a C function over a struct. It is started in a group; the group's executor decides where it runs; the
 * group ends after its tasks and tells of the first that failed.
 *
 *         struct square { int of, is; };
 *
 *         static int square(void *arg)
 *         {
 *                 struct square *s = arg;
 *
 *                 s->is = s->of * s->of;
 *                 return 0;
 *         }
 *
 *         int main(void)
 *         {
 *                 struct square squares[] = {{.of = 2}, {.of = 3}, {.of = 4}};
 *
 *                 return plait_map(plait_threads(), square, squares, 3, sizeof squares[0]) < 0;
 *         }
 *
 * plait_coroutines() or plait_processes() in place of plait_threads(): nothing else changes.
 *
 * The words, and the header that tells about each:
 *
 *   task        a function and its struct                                  plait/task.h, plait/map.h
 *   executor    where tasks run: coroutines, threads, processes            plait/executor.h
 *   group       owns the tasks started in it and ends after them           plait/group.h
 *   scope       a stretch of work with a deadline or a cancel of its own   plait/scope.h
 *   strand      whoever is running: a coroutine, or a thread's main line; main() is one
 *   loop        a thread's scheduler, made when the thread first waits in plait
 *   park        what a strand does when it waits: the thread runs its other coroutines meanwhile
 *
 * plait/base.h has the rules that hold for every call, time and sleeping; plait/fd.h reading and writing; plait/signal.h
 * signals. What strands share: plait/lock.h, rlock.h, rwlock.h, locked.h, condition.h, semaphore.h, barrier.h, once.h,
 * event.h, future.h, queue.h and gil.h; waiting for the first of several things: plait/select.h; what each strand has for
 * itself: plait/local.h. plait/dump.h shows what a program is doing, plait/simulate.h runs it under every order that a seed
 * gives. <plait/http.h> belongs to a library of its own, plait-http, and is not included here. */
 * event.h, future.h, queue.h and gil.h; what each has for itself: plait/local.h. plait/simulate.h runs all of it on one
 * thread, in an order that a seed decides. <plait/http.h> belongs to a library of its own, plait-http, and is not
 * included here. */
#ifndef PLAIT_H
#define PLAIT_H

#include <plait/barrier.h>
#include <plait/base.h>
#include <plait/condition.h>
#include <plait/dump.h>
#include <plait/event.h>
#include <plait/executor.h>
#include <plait/fd.h>
#include <plait/future.h>
#include <plait/gil.h>
#include <plait/group.h>
#include <plait/local.h>
#include <plait/lock.h>
#include <plait/locked.h>
#include <plait/map.h>
#include <plait/once.h>
#include <plait/queue.h>
#include <plait/rlock.h>
#include <plait/rwlock.h>
#include <plait/scope.h>
#include <plait/select.h>
#include <plait/semaphore.h>
#include <plait/signal.h>
#include <plait/simulate.h>
#include <plait/task.h>

#endif
