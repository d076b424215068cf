/* The floor of whatever switches stacks: the six callee-saved registers, left by `jmp` (2.5 ns between two). The control
 * words of the floating-point unit, which plait saves for the sake of fesetround(), are not in it. */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__x86_64__) || defined(__aarch64__)
#define BENCH_BARE 1
#endif

enum { BARE_STACK = 16384 };            /* the lowest page of each is its guard, if it has one */

void bare_switch(void **save, void *to);

/* A context that runs entry(arg) below `top`; entry never returns. */
void *bare_prepare(void *top, void (*entry)(void *arg), void *arg);

/* `count` stacks in one piece, never touched. */
char *bare_stacks(size_t count);

/* Installs the guard of one: at no cost in mappings where the kernel can (6.13). */
void bare_guard(char *stacks, size_t index);

/* The top of one, coloured: else all tops fight for the same sets of the cache. */
void *bare_top(char *stacks, size_t index);

#endif
