/* The context switch: what a strand keeps while others run. */
#include <errno.h>
#include <fenv.h>
#include <math.h>

#include "arch/switch.h"
#include "tasks.h"

struct rounder { int mode; int wrong; };

static int round_its_way(void *arg)
{
        struct rounder *rounder = arg;

        fesetround(rounder->mode);
        for (int i = 0; i < 10; i++) {
                plait_ignore(plait_yield());
                rounder->wrong += fegetround() != rounder->mode;
        }
        return 0;
}

TEST(a_strand_keeps_its_rounding_mode)
{
        struct rounder rounders[] = {{FE_UPWARD, 0}, {FE_DOWNWARD, 0}, {FE_TOWARDZERO, 0}, {FE_TONEAREST, 0}};
        int before = fegetround();
        PLAIT_GROUP(group, .name = "rounders");

        for (int i = 0; i < 4; i++)
                plait_group_start(&group, round_its_way, &rounders[i], sizeof rounders[i]);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        for (int i = 0; i < 4; i++)
                CHECK_EQUAL(rounders[i].wrong, 0);
        CHECK_EQUAL(fegetround(), before);
}

#if defined(__x86_64__)
static unsigned short x87_control(void)
{
        unsigned short word;

        __asm__ volatile("fnstcw %0" : "=m"(word));
        return word;
}

static int use_single_precision(void *arg)
{
        unsigned short word = x87_control() & (unsigned short)~0x300;

        (void)arg;
        __asm__ volatile("fldcw %0" : : "m"(word));
        plait_ignore(plait_yield());
        CHECK_EQUAL(x87_control(), word);
        return 0;
}

TEST(a_strand_keeps_its_x87_control_word)
{
        unsigned short before = x87_control();
        PLAIT_GROUP(group, .name = "x87");

        plait_group_start(&group, use_single_precision, NULL, 0);
        plait_ignore(plait_yield());
        CHECK_EQUAL(x87_control(), before);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(x87_control(), before);
}
#endif

static int set_errno(void *arg)
{
        for (int i = 0; i < 10; i++) {
                errno = *(int *)arg;
                plait_ignore(plait_yield());
                CHECK_EQUAL(errno, *(int *)arg);
        }
        return 0;
}

TEST(a_strand_keeps_its_errno)
{
        int errors[] = {E2BIG, EXDEV, EDOM};
        PLAIT_GROUP(group, .name = "errno");

        for (int i = 0; i < 3; i++)
                plait_group_start(&group, set_errno, &errors[i], sizeof errors[i]);
        errno = ENOEXEC;
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(errno, ENOEXEC);
}

/* More live values than there are callee-saved registers, whole and floating. */
static int keep_many_values(void *arg)
{
        long seed = *(int *)arg;
        volatile long v[12];
        volatile double d[12];

        for (int i = 0; i < 12; i++) {
                v[i] = seed * (i + 1);
                d[i] = (double)seed / (i + 3);
        }
        long a = v[0], b = v[1], c = v[2], e = v[3], f = v[4], g = v[5], h = v[6], k = v[7];
        double x = d[0], y = d[1], z = d[2], w = d[3], p = d[4], q = d[5], r = d[6], s = d[7];

        for (int i = 0; i < 100; i++)
                plait_ignore(plait_yield());
        CHECK(a == v[0] && b == v[1] && c == v[2] && e == v[3] && f == v[4] && g == v[5] && h == v[6] && k == v[7]);
        CHECK(x == d[0] && y == d[1] && z == d[2] && w == d[3] && p == d[4] && q == d[5] && r == d[6] && s == d[7]);
        return 0;
}

TEST(a_strand_keeps_its_registers)
{
        int seeds[5];
        PLAIT_GROUP(group, .name = "registers");

        for (int i = 0; i < 5; i++) {
                seeds[i] = 1000 + i * 77;
                plait_group_start(&group, keep_many_values, &seeds[i], sizeof seeds[i]);
        }
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

/* ---- the switch alone */

#if !defined(TEST_SANITIZER_ADDRESS) && !defined(TEST_SANITIZER_THREAD)
static void *here, *there;
static int steps;

static void entry(void *value)
{
        for (;;) {
                int *number = value;

                steps++;
                CHECK(((uintptr_t)__builtin_frame_address(0) & 15) == 0);
                *number += 1;
                value = plait__switch(&there, here, number);
        }
}

TEST(a_context_begins_at_its_entry_and_is_given_each_value)
{
        static _Alignas(64) char stack[65536];
        int number = 0;

        steps = 0;
        there = plait__switch_prepare(stack, stack + sizeof stack, entry);
        for (int i = 1; i <= 3; i++) {
                CHECK(plait__switch(&here, there, &number) == &number);
                CHECK_EQUAL(number, i);
                CHECK_EQUAL(steps, i);
        }
}
#endif
