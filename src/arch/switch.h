/* The context switch. A context is one word: the stack pointer under which its callee-saved state was put away. */
#ifndef PLAIT__SWITCH_H
#define PLAIT__SWITCH_H

#include <stdbool.h>
#include <stddef.h>

/* Puts the running context away in *save and goes on in `to`, where `value` is what its own plait__switch() returns, or
 * what its entry function is given. Saves what the ABI calls callee-saved, the floating-point control state included (a
 * task that calls fesetround() and then parks must not change the rounding of the next); never the signal mask. */
void *plait__switch(void **save, void *to, void *value);

/* Makes a context that will run entry(value) on the stack which ends (exclusively) at `top`; entry never returns.
 * `bottom` is the lowest usable byte. Returns the context. */
void *plait__switch_prepare(void *bottom, void *top, void (*entry)(void *value));

/* Calls fn(arg) on the running stack, in such a way that an unwinder sees the context that was put away as its caller: a
 * backtrace() taken in fn goes on into the frames of `context`, which is not run and not changed. False, and nothing is
 * called: this switch cannot (ucontext). */
bool plait__switch_look(void *context, void (*fn)(void *arg), void *arg);

#endif
