#define _GNU_SOURCE
#include "arch/tools.h"

#include <stdint.h>
#include <ucontext.h>

extern void *__cxa_get_globals(void) __attribute__((weak));

void **plait__exceptions_here(void)
{
        return __cxa_get_globals ? (void **)__cxa_get_globals() : NULL;
}

/* The client request of valgrind.h (VALGRIND_STACK_REGISTER), as its documentation gives it: a sequence that does nothing
 * on a processor and that valgrind knows. */
void plait__tools_stack(void *bottom, void *top)
{
#if defined(__x86_64__)
        volatile uint64_t request[6] = {0x1501, (uint64_t)(uintptr_t)bottom, (uint64_t)(uintptr_t)top - 1, 0, 0, 0};
        volatile uint64_t result = 0;

        __asm__ volatile("rolq $3, %%rdi ; rolq $13, %%rdi\n\t"
                         "rolq $61, %%rdi ; rolq $51, %%rdi\n\t"
                         "xchgq %%rbx, %%rbx"
                         : "=d"(result)
                         : "a"(request), "0"(result)
                         : "cc", "memory");
#else
        (void)bottom;
        (void)top;
#endif
}

void *plait__tools_interrupted_at(const void *context)
{
#if defined(__x86_64__)
        return (void *)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
        return (void *)((const ucontext_t *)context)->uc_mcontext.pc;
#else
        (void)context;
        return NULL;
#endif
}
