/* The first frame of a new context, in the order in which plait__switch() takes it off. */
#include "arch/switch.h"

#include <stdint.h>
#include <string.h>

void plait__switch_begin(void);

struct frame {
        uint64_t x19_to_x28[10];
        uint64_t x29, x30;
        uint64_t d8_to_d15[8];
        uint64_t fpcr;
        uint64_t unused;
};
_Static_assert(sizeof(struct frame) == 176, "as in switch_aarch64.S, and the stack stays aligned");

void *plait__switch_prepare(void *bottom, void *top, void (*entry)(void *value))
{
        struct frame *frame = (struct frame *)((uintptr_t)top & ~(uintptr_t)15) - 1;

        (void)bottom;
        memset(frame, 0, sizeof *frame);
        frame->x19_to_x28[0] = (uintptr_t)entry;
        frame->x30 = (uintptr_t)plait__switch_begin;
        __asm__("mrs %0, fpcr" : "=r"(frame->fpcr));
        return frame;
}
