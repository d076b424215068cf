#define _GNU_SOURCE
#include "core/overflow.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/panic.h"
#include "base/sys.h"
#include "core/loop.h"

enum { ALTERNATE_BYTES = 64 * 1024 };

static const char *name_of(const struct plait__strand *strand)
{
        const struct plait_task *task = plait__task_of(strand);

        if (task->extra && task->extra->name[0])
                return task->extra->name;
        return task->group && task->group->name ? task->group->name : "unnamed";
}

static void report(const struct plait__stack *stack, const void *address)
{
        char line[256];
        void *bottom;
        char *top = plait__stack_top(stack, &bottom);
        int n = snprintf(line, sizeof line,
                         "plait: stack overflow in task '%s': it has %zu KiB, and touched %p below them; "
                         "stack_bytes in its options gives it more\n",
                         name_of(stack->strand), (size_t)(top - (char *)bottom) / 1024, address);

        if (n > 0)
                plait__sys.write(2, line, (size_t)n);
}

static void handler(int signal_number, siginfo_t *info, void *context)
{
        struct sigaction standard;
        struct plait__stack *stack;
        bool guard;

        (void)context;
        stack = plait__stack_find(info->si_addr, &guard);
        if (stack && guard && stack->strand)
                report(stack, info->si_addr);
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
