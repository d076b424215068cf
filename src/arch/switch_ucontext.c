/* The switch for every other architecture: correct, and some 30 times slower, because swapcontext() sets the signal mask by
 * a system call each time. The ucontext of a context that is put away lies on its own stack. */
#define _GNU_SOURCE
#include "arch/switch.h"

#include <stdint.h>
#include <ucontext.h>

struct context {
        ucontext_t state;
        void *value;
        void (*entry)(void *value);
};

/* makecontext() passes ints: the pointer travels in two halves. */
static void begin(unsigned high, unsigned low)
{
        struct context *context = (struct context *)(uintptr_t)((uint64_t)high << 32 | low);

        context->entry(context->value);
        __builtin_trap();
}

void *plait__switch(void **save, void *to, void *value)
{
        struct context here;
        struct context *there = to;

        there->value = value;
        *save = &here;
        swapcontext(&here.state, &there->state);
        return here.value;
}

void *plait__switch_prepare(void *bottom, void *top, void (*entry)(void *value))
{
        struct context *context = (struct context *)((uintptr_t)top & ~(uintptr_t)63) - 1;
        uint64_t address;

        context = (struct context *)((uintptr_t)context & ~(uintptr_t)63);
        address = (uint64_t)(uintptr_t)context;
        getcontext(&context->state);
        context->state.uc_stack.ss_sp = bottom;
        context->state.uc_stack.ss_size = (size_t)((char *)context - (char *)bottom);
        context->state.uc_link = NULL;
        context->entry = entry;
        makecontext(&context->state, (void (*)(void))begin, 2, (unsigned)(address >> 32), (unsigned)address);
        return context;
}

bool plait__switch_look(void *context, void (*fn)(void *arg), void *arg)
{
        (void)context;
        (void)fn;
        (void)arg;
        return false;                           /* what swapcontext() has put away is no frame that an unwinder knows */
}
