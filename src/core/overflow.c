#define _GNU_SOURCE
#include "core/overflow.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/fault.h"
#include "base/panic.h"
#include "base/sys.h"
#include "core/loop.h"

enum {
        ALTERNATE_BYTES = 64 * 1024,
        RED_ZONE = 4096,                        /* so far below the stack pointer a frame may be touched: a push, a call, a red zone */
        JUMP_MAX = 1 << 30                      /* the largest frame that is thought of: the largest stack */
};

static const char *name_of(const struct plait__strand *strand)
{
        const struct plait_task *task = plait__task_of(strand);

        if (task->extra && task->extra->name[0])
                return task->extra->name;
        return task->group && task->group->name ? task->group->name : "unnamed";
}

/* The size is rounded up to whole pages, as it is told in the manual: its colour takes a little of it. */
static void report(const struct plait__strand *strand, uintptr_t bottom, uintptr_t top, uintptr_t lowest)
{
        char line[256];
        int n = snprintf(line, sizeof line,
                         "plait: stack overflow in task '%s': %zu bytes below the end of the %zu KiB that it has; "
                         "stack_bytes in its options gives it more\n",
                         name_of(strand), (size_t)(bottom - lowest), (size_t)(top - bottom + 4095) / 4096 * 4);

        if (n > 0)
                plait__sys.write(2, line, (size_t)n);
}

/* The fault of a strand that runs on a stack of ours is an overflow if it is in that stack's guard; or if the frame that it is in
 * has gone below the guard in one step (one large array): then the stack pointer is lower than the stack, and the fault just
 * there. What lies below may be another's guard, or addresses that were never given out. (It may also be another's stack
 * in use. That one cannot fault, but where its guard is met the same rule finds whose frame it was; so the strand is the one
 * that runs, never the one to whom the address belongs.) */
static bool overflows(const struct plait__strand *strand, uintptr_t bottom, uintptr_t at, uintptr_t stack_pointer)
{
        bool guard;

        if (plait__stack_find((const void *)at, &guard) == strand->stack && guard)
                return true;
        return stack_pointer < bottom && bottom - stack_pointer <= JUMP_MAX && at < bottom && at + RED_ZONE >= stack_pointer;
}

static void look(uintptr_t at, uintptr_t stack_pointer)
{
        const struct plait__loop *loop = plait__loop_here;
        const struct plait__strand *strand = loop ? loop->current : NULL;
        uintptr_t bottom, top;
        void *low;

        if (!strand || !strand->stack)
                return;
        top = (uintptr_t)plait__stack_top(strand->stack, &low);
        bottom = (uintptr_t)low;
        if (overflows(strand, bottom, at, stack_pointer))
                report(strand, bottom, top, at);
}

static void handler(int signal_number, siginfo_t *info, void *context)
{
        struct sigaction standard;

        look((uintptr_t)info->si_addr, plait__fault_stack_pointer(context));
        memset(&standard, 0, sizeof standard);
        standard.sa_handler = SIG_DFL;
        sigaction(signal_number, &standard, NULL);      /* the access is repeated, and the process dies of it */
}

static void install(int signal_number)
{
        struct sigaction now, ours;

        if (sigaction(signal_number, NULL, &now) < 0 || (now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL)
                return;
        memset(&ours, 0, sizeof ours);
        ours.sa_sigaction = handler;
        ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigemptyset(&ours.sa_mask);
        sigaction(signal_number, &ours, NULL);
}

static void install_once(void)
{
        install(SIGSEGV);
        install(SIGBUS);
}

void plait__overflow_thread(struct plait__loop *loop)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        stack_t now, ours = {.ss_size = ALTERNATE_BYTES};
        long memory;

        pthread_once(&once, install_once);
        loop->alternate_stack = loop;           /* asked for, whatever comes of it: without one an overflow dies silently */
        if (sigaltstack(NULL, &now) < 0 || !(now.ss_flags & SS_DISABLE))
                return;
        memory = plait__sys.mmap(NULL, ALTERNATE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory < 0 && memory > -4096)
                return;
        ours.ss_sp = (void *)memory;
        if (sigaltstack(&ours, NULL) < 0) {
                plait__sys.munmap((void *)memory, ALTERNATE_BYTES);
                return;
        }
        loop->alternate_stack = (void *)memory;
}

void plait__overflow_thread_ends(struct plait__loop *loop)
{
        stack_t off = {.ss_flags = SS_DISABLE};

        if (loop->alternate_stack && loop->alternate_stack != loop) {
                sigaltstack(&off, NULL);
                plait__sys.munmap(loop->alternate_stack, ALTERNATE_BYTES);
        }
        loop->alternate_stack = NULL;
}

void plait__overflow_check(const struct plait__strand *strand)
{
        void *bottom;

        plait__stack_top(strand->stack, &bottom);
        if ((char *)__builtin_frame_address(0) < (char *)bottom + 256)
                plait__panic("task", "stack overflow in task '%s' (seen as it parked; the system gave no guard for its stack)",
                             name_of(strand));
}
