/* PLAIT_LOCKED: a lock held from the declaration to the end of its block. */
#include <errno.h>

#include "tasks.h"

static plait_lock lock, other;
static plait_rlock rlock;

static int try_both(void *arg)
{
        bool got[2] = {plait_lock_try(&lock), plait_rlock_try(&rlock)};

        if (got[0])
                plait_lock_release(&lock);
        if (got[1])
                plait_rlock_release(&rlock);
        *(int *)arg = got[0] + got[1] * 2;
        return 0;
}

/* Seen from another strand: 1, the lock; 2, the recursive one; 3, both. */
static int what_is_free(void)
{
        int seen = 0;

        CHECK_EQUAL(plait_call(NULL, try_both, &seen, sizeof seen), 0);
        return seen;
}

static int leave_by(int way)
{
        for (int i = 0; i < 2; i++) {
                PLAIT_LOCKED(&lock);

                CHECK_EQUAL(what_is_free(), 2);
                if (way == 0)
                        return 7;
                if (way == 1)
                        break;
                if (way == 2)
                        continue;
                if (way == 3)
                        goto out;
                PLAIT_LOCKED(&rlock);
                PLAIT_LOCKED(&rlock);
                CHECK_EQUAL(what_is_free(), 0);
        }
out:
        return 8;
}

TEST(it_is_released_on_every_path_out_of_the_block)
{
        for (int way = 0; way < 5; way++) {
                CHECK_EQUAL(leave_by(way), way == 0 ? 7 : 8);
                CHECK_EQUAL(what_is_free(), 3);
        }
}

/* gcc lets this goto in; clang refuses to compile it. */
#ifndef __clang__
static int jump_in(bool jump)
{
        if (jump)
                goto inside;
        {
                PLAIT_LOCKED(&lock);

                CHECK_EQUAL(what_is_free(), 2);
inside:
                ;
        }
        return what_is_free();
}

TEST(a_goto_over_the_declaration_is_harmless)
{
        CHECK_EQUAL(jump_in(true), 3);
        CHECK_EQUAL(jump_in(false), 3);
        CHECK_EQUAL(jump_in(true), 3);
}
#endif

struct account { plait_lock lock; long balance; };

static int deposit(void *arg)
{
        struct account *account = arg;

        for (int i = 0; i < 500; i++) {
                PLAIT_LOCKED(&account->lock);

                account->balance++;
                if (i % 16 == 0)
                        plait_ignore(plait_yield());
        }
        return 0;
}

TEST_ON_EXECUTORS(a_block_excludes)
{
        struct account account = {0};
        PLAIT_GROUP(group, .executor = test_executor());

        for (int i = 0; i < 8; i++)
                plait_group_start(&group, deposit, &account, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK_EQUAL(account.balance, 8 * 500);
}

TEST_ABORTS(a_lock_released_inside_its_block, "plait_lock_release: this strand does not hold the lock")
{
        PLAIT_LOCKED(&other);
        plait_lock_release(&other);
}
