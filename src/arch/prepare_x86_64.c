/* The first frame of a new context, in the order in which plait__switch() takes it off. */
#include "arch/switch.h"

#include <stdint.h>

void plait__switch_begin(void);

struct frame {
        uint32_t mxcsr;
        uint32_t x87_control;
        void *r15, *r14, *r13, *r12, *rbx, *rbp;
        void *rip;
        void *end[2];                           /* keeps the stack aligned at the entry's call, zeros above it */
};

void *plait__switch_prepare(void *bottom, void *top, void (*entry)(void *value))
{
        struct frame *frame = (struct frame *)((uintptr_t)top & ~(uintptr_t)15) - 1;

        (void)bottom;
        __asm__("stmxcsr %0\n\tfnstcw %1" : "=m"(frame->mxcsr), "=m"(frame->x87_control));
        frame->r15 = frame->r14 = frame->r13 = frame->r12 = frame->rbp = NULL;
        frame->rbx = (void *)(uintptr_t)entry;
        frame->rip = (void *)(uintptr_t)plait__switch_begin;
        frame->end[0] = frame->end[1] = NULL;
        return frame;
}
