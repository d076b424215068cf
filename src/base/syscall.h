/* A system call made directly: the result is 0 or more, or a negative errno, and errno itself is never touched (all
 * coroutines of a thread share it). Calling through libc would also enter a hooked name once plait-hook is loaded. */
#ifndef PLAIT__SYSCALL_H
#define PLAIT__SYSCALL_H

#if defined(__x86_64__)

static inline long plait__syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
        register long r10 __asm__("r10") = d;
        register long r8 __asm__("r8") = e;
        register long r9 __asm__("r9") = f;
        long ret;

        __asm__ volatile("syscall"
                         : "=a"(ret)
                         : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory");
        return ret;
}

#elif defined(__aarch64__)

static inline long plait__syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
        register long x8 __asm__("x8") = nr;
        register long x0 __asm__("x0") = a;
        register long x1 __asm__("x1") = b;
        register long x2 __asm__("x2") = c;
        register long x3 __asm__("x3") = d;
        register long x4 __asm__("x4") = e;
        register long x5 __asm__("x5") = f;

        __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
        return x0;
}

#else

#include <errno.h>
#include <unistd.h>

static inline long plait__syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
        int saved = errno;
        long ret = syscall(nr, a, b, c, d, e, f);

        if (ret == -1)
                ret = -errno;
        errno = saved;
        return ret;
}

#endif
#endif
