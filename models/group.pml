/* The group: tasks that begin and end on other threads, and an owner that waits until none is left.
 *
 * Stands for: launch(), plait__group_wait_all(), plait__group_park(), plait_group_next() and plait__group_close() of
 * src/task/group.c; begin(), plait__task_finish(), wake_waiters(), plait__group_withhold() of src/task/task.c;
 * plait__group_end_scope() and wake_tasks() of src/task/cancel.c.
 *
 * The owner starts TASKS tasks on threads, at most BOUND of which have begun at a time; then it takes what has ended (NEXT), or
 * waits for all. The first task fails, which cancels the others; the second starts one more task while the first may be ending;
 * all but the first wait until they are cancelled. When the owner's wait has returned, the group's memory is garbage.
 *
 * Assumes: sequential consistency; park and unpark are park.pml's, here one permit a strand. What is done with the group locked is one
 * step; in the C its lock orders all of it. The cancel's mark is relaxed: it is seen in time because begin() takes the same lock
 * as wake_tasks() after it.
 *
 * property safety: the wait returns when every task has ended, and not before; each task ends once, and next hands out each once; a
 *                  cancel reaches whoever has begun; the group is not touched after its owner may have returned; no deadlock
 * property ends:   under weak fairness the wait returns
 *
 * bug 1 (safety): the end of a task wakes the waiters after it has let the group go
 * bug 2 (safety): a task that fails is counted out before it cancels the others
 * bug 3 (safety): a failure wakes the other tasks, and marks the scope then
 * bug 4 (safety): a start hands the task over before it is counted
 * bug 5 (safety -DNEXT=1): next looks, and joins the waiters in a second step
 * bug 6 (safety -DBOUND=1): the end of a task forgets the one that waits behind the limit
 *
 * small: -DTASKS=3 -DBOUND=4 -DNEXT=0
 * small: -DTASKS=3 -DBOUND=2 -DNEXT=1
 * small safety: -DTASKS=3 -DBOUND=1 -DNEXT=1
 * large: -DTASKS=4 -DBOUND=3 -DNEXT=1
 * large safety: -DTASKS=5 -DBOUND=3 -DNEXT=1
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef TASKS
#define TASKS 2
#endif
#ifndef BOUND
#define BOUND 3
#endif
#ifndef NEXT
#define NEXT 0
#endif
/* Task TASKS + 1 is the one that the second starts. */
#define ALL (TASKS + 1)
#define NEW 0
#define HANDED_OVER 1                   /* the executor may begin it */
#define RUNNING 2
#define ENDED 3

bit there = 1;                          /* the group's memory */
byte live, begun, owed;
chan withheld = [ALL] of { byte };
chan ended_ones = [ALL] of { byte };
bit waiting;                            /* the owner is in the list of waiters */
bit cancelled, in_tasks[ALL + 1];
byte state[ALL + 1];
bit wake[ALL + 1], owner_wake;
byte ends;
bit returned;

inline touch() { assert(there) }

inline launch(t)
{
#if BUG == 4
        state[t] = HANDED_OVER;
        atomic { touch(); in_tasks[t] = 1; live++; owed++; begun++ }
#else
        atomic {
                touch();
                in_tasks[t] = 1;
                live++;
                owed++;
                if
                :: begun >= BOUND -> withheld!t; over = 0
                :: begun < BOUND -> begun++; over = t
                fi
        };
        if
        :: over -> state[over] = HANDED_OVER; over = 0
        :: !over
        fi
#endif
}

/* A failure's: marks the scope, then wakes with the tree and the group locked. */
inline end_scope()
{
#if BUG != 3
        atomic { touch(); cancelled = 1 };
#endif
        atomic {
                touch();
                for (i : 1 .. ALL) {
                        if
                        :: in_tasks[i] && state[i] == RUNNING -> wake[i] = 1
                        :: else
                        fi
                }
                i = 0
        };
#if BUG == 3
        atomic { touch(); cancelled = 1 };
#endif
        owner_wake = 1
}

proctype Task(byte me)
{
        byte over, i;

        end_never:
        (state[me] == HANDED_OVER);     /* the last is started only if the second is not cut short before it begins */
        atomic { touch(); state[me] = RUNNING };
        touch();
        i = cancelled;
        if
        :: i                            /* cut short before it began */
        :: !i && me == 1
        :: !i && me != 1 ->
                if
                :: me == 2 -> launch(ALL)
                :: me != 2
                fi;
                do                              /* the function waits, as all calls do: looks, then parks */
                :: cancelled -> break
                :: !cancelled -> atomic { wake[me] -> wake[me] = 0 }
                od
        fi;
        i = 0;
#if BUG != 2
        if
        :: me == 1 -> end_scope()
        :: me != 1
        fi;
#endif
        atomic {
                touch();
                assert(state[me] == RUNNING);
                state[me] = ENDED;
                ends++;
                live--;
                begun--;
#if BUG != 6
                if
                :: len(withheld) > 0 -> withheld?over; begun++
                :: len(withheld) == 0
                fi;
#endif
                ended_ones!me;
#if BUG != 1
                if
                :: waiting -> owner_wake = 1
                :: !waiting
                fi
#endif
        };
#if BUG == 1
        touch();
        if
        :: waiting -> owner_wake = 1
        :: !waiting
        fi;
#endif
#if BUG == 2
        if
        :: me == 1 -> end_scope()
        :: me != 1
        fi;
#endif
        if
        :: over -> touch(); state[over] = HANDED_OVER; over = 0         /* the group is held by it: it is live */
        :: !over
        fi
}

/* plait__group_park() with some_ended(), then the pop; and plait__group_wait_all(). */
proctype Owner()
{
        byte t, over, taken;

        for (t : 1 .. TASKS) {
                launch(t)
        }
        t = 0;
#if NEXT
        do
        :: atomic { touch(); (len(ended_ones) > 0 || owed == 0) -> waiting = 0 };
                atomic {
                        if
                        :: len(ended_ones) > 0 -> ended_ones?t; owed--; taken++
                        :: len(ended_ones) == 0 -> break
                        fi
                };
                assert(state[t] == ENDED);
                t = 0
#if BUG == 5
        :: len(ended_ones) == 0 && owed > 0 -> waiting = 1;
#else
        :: atomic { len(ended_ones) == 0 && owed > 0 -> waiting = 1 };
#endif
                atomic { owner_wake -> owner_wake = 0 }
        od;
        assert(taken == ALL || cancelled);
#endif
        do
        :: atomic { live == 0 -> waiting = 0; break }
        :: atomic { live > 0 -> waiting = 1 }; atomic { owner_wake -> owner_wake = 0 }
        od;
        atomic {
                assert(live == 0 && len(withheld) == 0 && begun == 0);
                assert(ends == TASKS || ends == ALL);
                there = 0
        };
        returned = 1
}

init {
        byte t;

        atomic {
                for (t : 1 .. ALL) {
                        run Task(t)
                }
                run Owner();
                t = 0
        }
}

ltl ends { <> returned }
