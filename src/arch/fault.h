/* What a signal handler reads of the thread that it interrupted. */
#ifndef PLAIT__FAULT_H
#define PLAIT__FAULT_H

#include <stdint.h>
#include <ucontext.h>

/* The stack pointer, from a handler's third argument; 0: not known on this processor. */
static inline uintptr_t plait__fault_stack_pointer(const void *context)
{
        const ucontext_t *interrupted = context;

#if defined(__x86_64__)
        return (uintptr_t)interrupted->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
        return (uintptr_t)interrupted->uc_mcontext.sp;
#else
        (void)interrupted;
        return 0;
#endif
}

#endif
