/* void *plait__switch(void **save, void *to, void *value)
 *
 * Left by `ret`, for the same reason as on x86-64. Return addresses stay signed with the stack pointer of their own stack, so
 * pointer authentication needs nothing. fpcr is saved for the sake of fesetround(). */
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
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        mrs     x9, fpcr
        str     x9, [sp, #160]
        mov     x10, sp
        str     x10, [x0]
        mov     sp, x1
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
        mov     x0, x2
        ret
        .cfi_endproc
        .size   plait__switch, . - plait__switch

        .globl  plait__switch_begin
        .hidden plait__switch_begin
        .type   plait__switch_begin, %function
        .p2align 4
        .cfi_startproc
        .cfi_undefined x30
        nop                                     /* unwinders look up the pc less one */
plait__switch_begin:
        mov     x29, #0
        mov     x30, #0
        blr     x19
        brk     #1
        .cfi_endproc
        .size   plait__switch_begin, . - plait__switch_begin

        .section .note.GNU-stack, "", %progbits
