#define _GNU_SOURCE
#include "bare.h"

#include <stdint.h>
#include <sys/mman.h>

#include "bench.h"

void bare_begin(void);

#if defined(__x86_64__)
__asm__(".text\n"
        ".globl bare_switch\n"
        ".type bare_switch, @function\n"
        ".p2align 4\n"
        "bare_switch:\n"
        "        pushq %rbp\n"
        "        pushq %rbx\n"
        "        pushq %r12\n"
        "        pushq %r13\n"
        "        pushq %r14\n"
        "        pushq %r15\n"
        "        movq %rsp, (%rdi)\n"
        "        movq %rsi, %rsp\n"
        "        popq %r15\n"
        "        popq %r14\n"
        "        popq %r13\n"
        "        popq %r12\n"
        "        popq %rbx\n"
        "        popq %rbp\n"
        "        popq %rcx\n"
        "        jmpq *%rcx\n"
        ".globl bare_begin\n"
        "bare_begin:\n"
        "        movq %r12, %rdi\n"
        "        callq *%rbx\n"
        "        ud2\n");

void *bare_prepare(void *top, void (*entry)(void *arg), void *arg)
{
        uintptr_t *frame = (uintptr_t *)((uintptr_t)top & ~(uintptr_t)15) - 8;

        frame[3] = (uintptr_t)arg;              /* r12 */
        frame[4] = (uintptr_t)entry;            /* rbx */
        frame[6] = (uintptr_t)bare_begin;
        return frame;
}
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl bare_switch\n"
        ".type bare_switch, %function\n"
        ".p2align 4\n"
        "bare_switch:\n"
        "        stp x19, x20, [sp, #-160]!\n"
        "        stp x21, x22, [sp, #16]\n"
        "        stp x23, x24, [sp, #32]\n"
        "        stp x25, x26, [sp, #48]\n"
        "        stp x27, x28, [sp, #64]\n"
        "        stp x29, x30, [sp, #80]\n"
        "        stp d8, d9, [sp, #96]\n"
        "        stp d10, d11, [sp, #112]\n"
        "        stp d12, d13, [sp, #128]\n"
        "        stp d14, d15, [sp, #144]\n"
        "        mov x9, sp\n"
        "        str x9, [x0]\n"
        "        mov sp, x1\n"
        "        ldp x21, x22, [sp, #16]\n"
        "        ldp x23, x24, [sp, #32]\n"
        "        ldp x25, x26, [sp, #48]\n"
        "        ldp x27, x28, [sp, #64]\n"
        "        ldp x29, x30, [sp, #80]\n"
        "        ldp d8, d9, [sp, #96]\n"
        "        ldp d10, d11, [sp, #112]\n"
        "        ldp d12, d13, [sp, #128]\n"
        "        ldp d14, d15, [sp, #144]\n"
        "        ldp x19, x20, [sp], #160\n"
        "        br x30\n"
        ".globl bare_begin\n"
        "bare_begin:\n"
        "        mov x0, x20\n"
        "        blr x19\n"
        "        brk #1\n");

void *bare_prepare(void *top, void (*entry)(void *arg), void *arg)
{
        uintptr_t *frame = (uintptr_t *)((uintptr_t)top & ~(uintptr_t)15) - 20;

        frame[0] = (uintptr_t)entry;            /* x19 */
        frame[1] = (uintptr_t)arg;              /* x20 */
        frame[11] = (uintptr_t)bare_begin;      /* x30 */
        return frame;
}
#endif

char *bare_stacks(size_t count)
{
        char *stacks = mmap(NULL, count * BARE_STACK, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        BENCH_CHECK(stacks != MAP_FAILED);
        madvise(stacks, count * BARE_STACK, MADV_NOHUGEPAGE);
        return stacks;
}

void bare_guard(char *stacks, size_t index)
{
        enum { GUARD_INSTALL = 102 };           /* glibc's headers are older */

        if (madvise(stacks + index * BARE_STACK, 4096, GUARD_INSTALL) < 0)
                mprotect(stacks + index * BARE_STACK, 4096, PROT_NONE);
}

void *bare_top(char *stacks, size_t index)
{
        return stacks + (index + 1) * BARE_STACK - index % 32 * 64;
}
