#define _GNU_SOURCE
#include "fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/syscall.h"
#include "sim/sim.h"
#include "test.h"

enum { ROUNDS_MAX = 20000 };

static const char *const names[FAULT_KINDS] = {
        [FAULT_ANY] = "any call",
        [FAULT_alloc] = "alloc",
        [FAULT_thread_start] = "thread_start",
#define FAULT_NAME(name, parameters, arguments) [FAULT_##name] = #name,
        PLAIT__SYS(FAULT_NAME)
};

/* What a call fails with when the test names no error; EIO where nothing stands here. */
static const int usual[FAULT_KINDS] = {
        [FAULT_alloc] = ENOMEM,
        [FAULT_thread_start] = EAGAIN,
        [FAULT_accept4] = EMFILE,
        [FAULT_connect] = ECONNREFUSED,
        [FAULT_ppoll] = EINTR,
        [FAULT_epoll_create1] = EMFILE,
        [FAULT_epoll_ctl] = ENOSPC,
        [FAULT_epoll_pwait] = EINTR,
        [FAULT_epoll_pwait2] = EINTR,
        [FAULT_eventfd2] = EMFILE,
        [FAULT_futex] = EINTR,
        [FAULT_mmap] = ENOMEM,
        [FAULT_munmap] = ENOMEM,
        [FAULT_mprotect] = ENOMEM,
        [FAULT_madvise] = EINVAL,
        [FAULT_memfd_create] = EMFILE,
        [FAULT_ftruncate] = ENOSPC,
        [FAULT_socketpair] = EMFILE,
        [FAULT_pidfd_open] = EMFILE,
        [FAULT_pidfd_send_signal] = ESRCH,
};

/* What is to fail. A straggler in another thread may still be counted to the round before; `on` is set last (release)
 * and read first (acquire). */
static struct {
        atomic_bool on, from;
        atomic_int kind, error;
        atomic_ulong n, count, failed;
} armed;
static atomic_long live_blocks;

static struct plait__sys real;                  /* written once, by fault_install() */

/* The error with which this call is to fail, or 0. */
static int due(enum fault_kind kind)
{
        int wanted, error;
        unsigned long n;

        if (!atomic_load_explicit(&armed.on, memory_order_acquire))
                return 0;
        wanted = armed.kind;
        if (wanted != FAULT_ANY && wanted != (int)kind)
                return 0;
        n = atomic_fetch_add(&armed.count, 1) + 1;
        if (n < armed.n || (n > armed.n && !armed.from))
                return 0;
        atomic_fetch_add(&armed.failed, 1);
        error = armed.error;
        if (!error)
                error = usual[kind] ? usual[kind] : EIO;
        test_note("%s %lu of kind \"%s\" was failed: %s with %s", armed.from ? "from call" : "call",
                  (unsigned long)armed.n, names[wanted], names[kind], strerrorname_np(error));
        return error;
}

#define SYS_CALL(...) SYS_CALL_(__VA_ARGS__)
#define SYS_CALL_(nr, a, b, c, d, e, f) plait__syscall6(nr, a, b, c, d, e, f)
#define SYS_SPREAD(a, b, c, d, e, f) a, b, c, d, e, f

#define FAULT_WRAPPER(name, parameters, arguments)                                                                     \
        static long fault_##name parameters                                                                            \
        {                                                                                                              \
                int error = due(FAULT_##name);                                                                         \
                long rc = 0;                                                                                           \
                                                                                                                       \
                if (!error || (int)FAULT_##name == (int)FAULT_close)                                                   \
                        rc = SYS_CALL(SYS_##name, SYS_SPREAD arguments);                                               \
                return error ? -error : rc;                                                                            \
        }
PLAIT__SYS(FAULT_WRAPPER)

static void *fault_alloc(size_t size)
{
        void *memory = due(FAULT_alloc) ? NULL : real.alloc(size);

        if (memory)
                atomic_fetch_add(&live_blocks, 1);
        return memory;
}

static void fault_free(void *memory)
{
        if (memory)
                atomic_fetch_sub(&live_blocks, 1);
        real.free(memory);
}

static int fault_thread_start(void *(*fn)(void *), void *arg, size_t stack_bytes)
{
        int error = due(FAULT_thread_start);

        return error ? -error : real.thread_start(fn, arg, stack_bytes);
}

void fault_install(void)
{
        plait__sim_hooks_take();
        real = plait__sys;
#define FAULT_PUT(name, parameters, arguments) plait__sys.name = fault_##name;
        PLAIT__SYS(FAULT_PUT)
        plait__sys.alloc = fault_alloc;
        plait__sys.free = fault_free;
        plait__sys.thread_start = fault_thread_start;
        plait__sim_hooks_put();
}

long fault_live_blocks(void)
{
        return live_blocks;
}

static void arm(enum fault_kind kind, unsigned long n, int error, bool from)
{
        armed.on = false;
        armed.kind = kind;
        armed.error = error;
        armed.from = from;
        armed.n = n;
        armed.count = armed.failed = 0;
        atomic_store_explicit(&armed.on, true, memory_order_release);
}

void fault_fail_nth(enum fault_kind kind, unsigned long n, int error)
{
        arm(kind, n, error, false);
}

void fault_fail_from(enum fault_kind kind, unsigned long n, int error)
{
        arm(kind, n, error, true);
}

unsigned long fault_off(void)
{
        armed.on = false;
        return armed.failed;
}

unsigned long fault_count(void)
{
        return armed.count;
}

bool fault_next(struct fault_rounds *rounds)
{
        if (rounds->n && fault_off() == 0) {
                test_note("%s", "");
                return false;
        }
        if (rounds->n == ROUNDS_MAX)
                test_fail(__FILE__, __LINE__, "still failing after %d rounds", ROUNDS_MAX);
        test_note("%s", "");
        arm(rounds->kind, ++rounds->n, rounds->error, rounds->from);
        return true;
}
