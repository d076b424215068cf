/* The one handler of SIGSEGV and SIGBUS: a coroutine that has left its stack, into the guard or in one step past it, is reported
 * with the task's name. It is installed with the first coroutine and only where the program has left these signals at their default; whatever it
 * reports or does not know, the process then dies of the signal as ever. */
#ifndef PLAIT__OVERFLOW_H
#define PLAIT__OVERFLOW_H

struct plait__loop;
struct plait__strand;

/* This thread runs coroutines: its signal handlers need a stack elsewhere. */
void plait__overflow_thread(struct plait__loop *loop);
void plait__overflow_thread_ends(struct plait__loop *loop);

/* A strand parks on a stack that has no guard: its depth is looked at instead. */
void plait__overflow_check(const struct plait__strand *strand);

#endif
