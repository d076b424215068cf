/* void *plait__switch(void **save, void *to, void *value)
 *
 * Left by `ret`. By itself `pop; jmp *` is quicker between two places (2.5 against 7.5 ns, since a return to elsewhere misses
 * the return-address predictor), but it leaves that predictor one entry out of step, and then every return that follows
 * misses: a yield through the scheduler took 26 ns with `jmp`, 9.5 with `ret`. All strands switch from one place
 * (resume() in core/strand.c), so the address that the predictor holds is the right one. Marked for IBT, not for SHSTK: the return
 * is to another stack, and one unmarked object makes the linker drop that mark for the whole program, which is right. */
        .text
        .globl  plait__switch
        .hidden plait__switch
        .type   plait__switch, @function
        .p2align 4
plait__switch:
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp                      /* the same frame, of the other context: the CFI above holds for it */
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        movq    %rdx, %rax
        ret
        .cfi_endproc
        .size   plait__switch, . - plait__switch

/* bool plait__switch_look(void *context, void (*fn)(void *arg), void *arg)
 *
 * While fn runs, what is said of this frame is where plait__switch() has left the context's registers, counted from rbx. */
        .globl  plait__switch_look
        .hidden plait__switch_look
        .type   plait__switch_look, @function
        .p2align 4
plait__switch_look:
        .cfi_startproc
        endbr64
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        movq    %rdi, %rbx
        movq    %rdx, %rdi
        .cfi_remember_state
        .cfi_def_cfa %rbx, 64
        .cfi_offset %rip, -8
        .cfi_offset %rbp, -16
        .cfi_offset %rbx, -24
        .cfi_offset %r12, -32
        .cfi_offset %r13, -40
        .cfi_offset %r14, -48
        .cfi_offset %r15, -56
        callq   *%rsi
        nop                                     /* unwinders look up the pc less one; debuggers the pc */
        .cfi_restore_state
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        movl    $1, %eax
        ret
        .cfi_endproc
        .size   plait__switch_look, . - plait__switch_look

/* Where a new context begins: rbx is its entry, rdx and rax the value. Unwinders look up the pc less one, hence the nop
 * inside the same frame description, whose undefined rip ends every backtrace here. */
        .globl  plait__switch_begin
        .hidden plait__switch_begin
        .type   plait__switch_begin, @function
        .p2align 4
        .cfi_startproc
        .cfi_undefined %rip
        nop
plait__switch_begin:
        movq    %rdx, %rdi
        xorl    %ebp, %ebp
        callq   *%rbx
        ud2
        .cfi_endproc
        .size   plait__switch_begin, . - plait__switch_begin

        .section .note.gnu.property, "a", @note
        .p2align 3
        .long   4, 16, 5
        .asciz  "GNU"
        .long   0xc0000002, 4, 1, 0             /* x86 features: IBT */

        .section .note.GNU-stack, "", @progbits
