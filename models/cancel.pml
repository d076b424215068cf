/* Cancel against completion: one outcome, and a cancel finds whoever is parked, on whatever thread.
 *
 * Stands for: wake_strand(), wake_tasks(), spread(), plait__group_end_scope(), cancel_task() of src/task/cancel.c; src/task/afar.c;
 * plait__scope_cancel() and plait__strand_cancel() of src/core/scope.c; plait__loop_drain() of src/core/loop.c;
 * plait__wait_granted(), plait__grant() of src/core/strand.c; plait__waiters_leave() of src/sync/waiters.h.
 *
 * On the home loop a strand S waits for its local group, whose one task C waits for an item. On threads of their own: a granter hands
 * C the item, if C still waits; a canceller cancels the scope around S (SCOPE), another the task C (TASK); a watcher waits
 * for C's end from afar (WATCHER), and may be cancelled itself; and somebody wakes S for another reason (STRAY). An outer cancel reaches C through S: it only sets a flag
 * at S and wakes it, and the home loop, on taking S out of its inbox, wakes what is below.
 *
 * Assumes: sequential consistency. In the C the marks and flags are relaxed; they are seen because the canceller's exchange of
 * `remote` (acq_rel) follows them and the drain's exchange of it (acq_rel) precedes its look at the flags. The inbox is one step here
 * (inbox.pml), and what is done with a guard or the tree locked is one step.
 *
 * property safety: C ends once, with the item or cancelled: if cancelled the item stays with the granter; what was handed over is
 *                  kept; the watcher hears C's own result, or that it was itself cancelled; no deadlock: a strand that is parked
 *                  below a cancelled scope is woken
 * property ends:   under weak fairness S, C and the watcher end
 *
 * bug 1 (safety): the flag is set at the strand after it was woken
 * bug 2 (safety -DTASK=1 -DGRANTER=1): a waiter that finds itself off the list says that it was cancelled all the same
 * bug 3 (safety): the drain looks at the flags before it clears `remote`
 * bug 4 (safety): a scope is marked after the strands below it were woken
 * bug 5 (safety -DTASK=1 -DWATCHER=1): a watcher that comes after the end is written down, but not told
 * bug 6 (safety -DTASK=1 -DWATCHER=1): a watcher asks first and joins the list then
 *
 * small: -DSCOPE=1 -DTASK=0 -DGRANTER=0 -DWATCHER=0 -DSTRAY=1
 * small safety: -DSCOPE=1 -DTASK=1 -DGRANTER=0 -DWATCHER=0
 * small: -DSCOPE=1 -DTASK=0 -DGRANTER=1 -DWATCHER=0
 * small safety: -DSCOPE=0 -DTASK=1 -DGRANTER=1 -DWATCHER=1
 * small safety: -DSCOPE=1 -DTASK=1 -DGRANTER=1 -DWATCHER=0
 * large: -DSCOPE=1 -DTASK=1 -DGRANTER=1 -DWATCHER=1 -DSTRAY=1
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef SCOPE
#define SCOPE 1
#endif
#ifndef TASK
#define TASK 1
#endif
#ifndef GRANTER
#define GRANTER 1
#endif
#ifndef WATCHER
#define WATCHER 0
#endif
#ifndef STRAY
#define STRAY 0
#endif
#define S 0
#define C 1
#define NOT_GRANTED 0
#define GRANTING 1
#define GRANTED 2
#define OK 1
#define CANCELED 2

bit remote[2], in_inbox[2], spread_flag[2], watched_flag[2];
bit scope_mark, task_mark;              /* around S; of C */
bit woken[2];                           /* ready, or a permit kept */
bit c_in_list;                          /* it waits for the item */
byte c_granted;
bit c_item, g_item;                     /* where the item is; to check by */
byte c_result;
bit c_ended, s_ended;
bit awaited;                            /* C's flag: somebody afar is to be told */

bit w_in_list, w_wake, w_cancelled, w_ended;
byte w_granted, w_slot;
byte outside;                           /* threads that have not ended */

inline unpark_afar(s)
{
        d_step { was = remote[s]; remote[s] = 1 };
        if
        :: !was -> in_inbox[s] = 1
        :: was
        fi;
        was = 0
}

/* By the home thread. */
inline tell_afar()
{
        atomic {
                found = w_in_list;
                if
                :: w_in_list -> w_in_list = 0; w_slot = c_result; assert(c_ended); w_granted = GRANTING
                :: !w_in_list
                fi
        };
        if
        :: found -> w_wake = 1; w_granted = GRANTED; found = 0
        :: !found
        fi
}

inline spread(s)
{
        atomic { found = watched_flag[s]; watched_flag[s] = 0; spread_flag[s] = 0 };
        if
        :: found && c_ended ->
                found = 0;
#if BUG == 5
                awaited = 1
#else
                tell_afar()
#endif
        :: found && !c_ended -> found = 0; awaited = 1
        :: !found
        fi;
        woken[C] = 1                    /* the strand itself, or the task of its local group */
}

inline drain_one(s)
{
        in_inbox[s] = 0;
#if BUG == 3
        flagged = spread_flag[s];
        remote[s] = 0;
#else
        remote[s] = 0;
        flagged = spread_flag[s];
#endif
        if
        :: flagged -> spread(s)
        :: !flagged
        fi;
        flagged = 0;
        woken[s] = 1
}

/* plait__wait_granted(), from one park to the next. */
inline run_c()
{
        woken[C] = 0;
        if
        :: c_granted != NOT_GRANTED -> (c_granted == GRANTED); c_result = OK
        :: c_granted == NOT_GRANTED ->
                if
                :: scope_mark || task_mark ->
                        atomic {
                                if
                                :: c_in_list -> c_in_list = 0; c_result = CANCELED
#if BUG == 2
                                :: !c_in_list -> c_result = CANCELED
#else
                                :: !c_in_list
#endif
                                fi
                        };
                        if
                        :: !c_result -> (c_granted == GRANTED); c_result = OK
                        :: c_result
                        fi
                :: !(scope_mark || task_mark)
                fi
        fi;
        if
        :: c_result ->
                assert((c_result == OK) == c_item);
                c_ended = 1;
                if
                :: awaited -> tell_afar()
                :: !awaited
                fi;
                woken[S] = 1            /* the end of the group's last task */
        :: !c_result
        fi
}

proctype Home()
{
        bit found, flagged;

        do
        :: in_inbox[S] -> drain_one(S)
        :: in_inbox[C] -> drain_one(C)
        :: woken[C] && !c_ended -> run_c()
        :: woken[S] && !s_ended -> woken[S] = 0; s_ended = c_ended
        :: s_ended && outside == 0 && !in_inbox[S] && !in_inbox[C] -> break
        od
}

proctype ScopeCanceller()
{
        bit was;

#if BUG != 4
        scope_mark = 1;
#endif
#if BUG == 1
        unpark_afar(S);
        spread_flag[S] = 1;
#else
        spread_flag[S] = 1;
        unpark_afar(S);
#endif
#if BUG == 4
        scope_mark = 1;
#endif
        outside--
}

/* From another thread: whether C has ended is not asked, since that thread alone may touch its local group. */
proctype TaskCanceller()
{
        bit was;

        task_mark = 1;
        spread_flag[C] = 1;
        unpark_afar(C);
        outside--
}

/* Somebody else who wakes S, for another reason. */
proctype Stray()
{
        bit was;

        unpark_afar(S);
        outside--
}

proctype Granter()
{
        bit was, popped;

        atomic {
                if
                :: c_in_list -> c_in_list = 0; popped = 1; c_item = 1; c_granted = GRANTING
                :: !c_in_list -> g_item = 1
                fi
        };
        if
        :: popped -> unpark_afar(C); c_granted = GRANTED
        :: !popped
        fi;
        outside--
}

inline ask()
{
        atomic { watched_flag[C] = 1; spread_flag[C] = 1 };
        unpark_afar(C)
}

proctype Watcher()
{
        bit was;
        byte rc;

#if BUG == 6
        ask();
        w_in_list = 1;
#else
        w_in_list = 1;
        ask();
#endif
        do
        :: w_granted != NOT_GRANTED -> (w_granted == GRANTED); break
        :: w_granted == NOT_GRANTED && w_cancelled ->
                atomic {
                        if
                        :: w_in_list -> w_in_list = 0; rc = CANCELED
                        :: !w_in_list
                        fi
                };
                if
                :: rc == CANCELED
                :: rc != CANCELED -> (w_granted == GRANTED)
                fi;
                break
        :: atomic { w_granted == NOT_GRANTED && !w_cancelled && w_wake -> w_wake = 0 }
        od;
        assert(rc == CANCELED || (c_ended && w_slot == c_result));
        atomic { w_ended = 1; outside-- }
}

proctype WatcherCanceller()
{
        if
        :: atomic { w_cancelled = 1; w_wake = 1 }
        :: skip
        fi
}

init {
        atomic {
                c_in_list = 1;
                run Home();
#if SCOPE
                outside++;
                run ScopeCanceller();
#endif
#if STRAY
                outside++;
                run Stray();
#endif
#if TASK
                outside++;
                run TaskCanceller();
#endif
#if GRANTER
                outside++;
                run Granter();
#endif
#if WATCHER
                outside++;
                run Watcher();
                run WatcherCanceller()
#endif
        }
        (s_ended && outside == 0);
        assert(c_item + g_item == GRANTER);
        assert((c_result == OK) == c_item)
}

ltl ends { <> (s_ended && outside == 0) }
