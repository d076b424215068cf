/* What a program is doing: every strand of it, what it waits for, and where.
 *
 * PLAIT_DEBUG. A program that is started with PLAIT_DEBUG=1 in its environment is watched, and told on standard error of
 *
 *   - a coroutine that has kept its thread from running others for 100 ms (PLAIT_DEBUG_SLOW_MS=20: for 20), once each
 *     time it does, with its name and its stack;
 *   - failures that nobody read: a group that ended by plait_group_done(), or by the end of its block, of whose failures
 *     neither plait_group_wait(), plait_group_next(), plait_group_failures() nor a plait_task_ call told anybody;
 *   - a deadlock: no strand of the process can ever run again. It names who waits for what, who holds that, and where.
 *     It is never said while a thread is anywhere but asleep in plait, or while a timer, a descriptor or a worker
 *     process could still wake somebody.
 *
 * The watching is one more thread, and in the program's own threads a handler of SIGURG, unless the program has one; it
 * interrupts what holds a thread for long, so that system calls outside plait may fail with EINTR there. */
#ifndef PLAIT_DUMP_H
#define PLAIT_DUMP_H

#include <plait/base.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes every strand of this process into the file: its number and name, its group, what it is (main line, coroutine,
 * thread, task in another process), whether it is new, ready, running or parked, for what it waits (which lock and who
 * holds it, which queue, which group and how many of its tasks live), its age, the time left to its deadline, and its
 * stack. The other threads stop for a moment meanwhile. One that computes does not come: it is waited for 100 ms, and
 * then shown without its stack, or, under PLAIT_DEBUG, interrupted. What the file is told may fail is not reported.
 * Does not park. */
PLAIT_API void plait_dump(FILE *file);

/* From now on the process writes a plait_dump() to standard error when it is sent this signal (SIGQUIT, say), whatever its
 * threads do just then, and goes on. The signal is handled in any thread that does not block it; a thread of plait's
 * does the writing. Takes the place of the handler the program had. Returns 0; -EINVAL (no such signal, or one that
 * cannot be handled); or -EAGAIN or -ENOMEM (no thread to be had), and nothing is changed. */
PLAIT_API int plait_dump_on_signal(int signal_number);

#ifdef __cplusplus
}
#endif
#endif
