/* void *plait__switch(void **save, void *to, void *value)
 *
 * Left by `ret`, for the same reason as on x86-64. Return addresses stay signed with the stack pointer of their own stack, so
 * pointer authentication needs nothing. Marked for BTI, which asks where `br` and `blr` lead and not where `ret` does; not
 * for PAC, since x30 is put away as it came. fpcr is saved for the sake of fesetround(). Of the vector registers the ABI has
 * a callee keep the low halves of v8 to v15, which are d8 to d15. */
        .text
        .globl  plait__switch
        .hidden plait__switch
        .type   plait__switch, %function
        .p2align 4
plait__switch:
        .cfi_startproc
        hint    #34                             /* bti c */
        sub     sp, sp, #176
        .cfi_adjust_cfa_offset 176
        stp     x19, x20, [sp, #0]
        .cfi_rel_offset x19, 0
        .cfi_rel_offset x20, 8
        stp     x21, x22, [sp, #16]
        .cfi_rel_offset x21, 16
        .cfi_rel_offset x22, 24
        stp     x23, x24, [sp, #32]
        .cfi_rel_offset x23, 32
        .cfi_rel_offset x24, 40
        stp     x25, x26, [sp, #48]
        .cfi_rel_offset x25, 48
        .cfi_rel_offset x26, 56
        stp     x27, x28, [sp, #64]
        .cfi_rel_offset x27, 64
        .cfi_rel_offset x28, 72
        stp     x29, x30, [sp, #80]
        .cfi_rel_offset x29, 80
        .cfi_rel_offset x30, 88
        stp     d8, d9, [sp, #96]
        .cfi_rel_offset d8, 96
        .cfi_rel_offset d9, 104
        stp     d10, d11, [sp, #112]
        .cfi_rel_offset d10, 112
        .cfi_rel_offset d11, 120
        stp     d12, d13, [sp, #128]
        .cfi_rel_offset d12, 128
        .cfi_rel_offset d13, 136
        stp     d14, d15, [sp, #144]
        .cfi_rel_offset d14, 144
        .cfi_rel_offset d15, 152
        mrs     x9, fpcr
        str     x9, [sp, #160]
        mov     x10, sp
        str     x10, [x0]
        mov     sp, x1                          /* the same frame, of the other context: the CFI above holds for it */
        ldp     x19, x20, [sp, #0]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        ldr     x9, [sp, #160]
        msr     fpcr, x9
        add     sp, sp, #176
        .cfi_adjust_cfa_offset -176
        .cfi_restore x19
        .cfi_restore x20
        .cfi_restore x21
        .cfi_restore x22
        .cfi_restore x23
        .cfi_restore x24
        .cfi_restore x25
        .cfi_restore x26
        .cfi_restore x27
        .cfi_restore x28
        .cfi_restore x29
        .cfi_restore x30
        .cfi_restore d8
        .cfi_restore d9
        .cfi_restore d10
        .cfi_restore d11
        .cfi_restore d12
        .cfi_restore d13
        .cfi_restore d14
        .cfi_restore d15
        mov     x0, x2
        ret
        .cfi_endproc
        .size   plait__switch, . - plait__switch

/* bool plait__switch_look(void *context, void (*fn)(void *arg), void *arg): see switch_x86_64.S */
        .globl  plait__switch_look
        .hidden plait__switch_look
        .type   plait__switch_look, %function
        .p2align 4
plait__switch_look:
        .cfi_startproc
        hint    #34                             /* bti c */
        stp     x29, x30, [sp, #-32]!
        .cfi_adjust_cfa_offset 32
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        str     x19, [sp, #16]
        .cfi_rel_offset x19, 16
        mov     x19, x0
        mov     x0, x2
        .cfi_remember_state
        .cfi_def_cfa x19, 176
        .cfi_offset x19, -176
        .cfi_offset x20, -168
        .cfi_offset x21, -160
        .cfi_offset x22, -152
        .cfi_offset x23, -144
        .cfi_offset x24, -136
        .cfi_offset x25, -128
        .cfi_offset x26, -120
        .cfi_offset x27, -112
        .cfi_offset x28, -104
        .cfi_offset x29, -96
        .cfi_offset x30, -88
        blr     x1
        nop                                     /* unwinders look up the pc less one; debuggers the pc */
        .cfi_restore_state
        ldr     x19, [sp, #16]
        .cfi_restore x19
        ldp     x29, x30, [sp], #32
        .cfi_adjust_cfa_offset -32
        .cfi_restore x29
        .cfi_restore x30
        mov     w0, #1
        ret
        .cfi_endproc
        .size   plait__switch_look, . - plait__switch_look

/* Where a new context begins: x19 is its entry, x0 the value. Unwinders look up the pc less one, hence the nop inside
 * the same frame description, whose undefined x30 ends every backtrace here. */
        .globl  plait__switch_begin
        .hidden plait__switch_begin
        .type   plait__switch_begin, %function
        .p2align 4
        .cfi_startproc
        .cfi_undefined x30
        nop
plait__switch_begin:
        mov     x29, #0
        mov     x30, #0
        blr     x19
        brk     #1
        .cfi_endproc
        .size   plait__switch_begin, . - plait__switch_begin

        .section .note.gnu.property, "a", %note
        .p2align 3
        .long   4, 16, 5
        .asciz  "GNU"
        .long   0xc0000000, 4, 1, 0             /* aarch64 features: BTI */

        .section .note.GNU-stack, "", %progbits
