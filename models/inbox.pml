/* The remote inbox: how other threads wake a loop, and when a strand's record may be used again.
 *
 * Stands for: plait__loop_push(), plait__loop_drain(), ring(), seam_poll(), spin(), sleep_until() and futex_sleep() of
 * src/core/loop.c; plait__unpark() from elsewhere; lock_for_good() and plait__task_finish() of src/task/task.c.
 *
 * Each strand of one loop takes as many gifts as its pushers bring, then ends. A pusher gives and wakes with the lock of the
 * strand's group held, as long as the strand has not ended (so do cancels and the ends of tasks); one more wake-up that gives
 * nothing may come at any time. The loop drains, lets each strand that was woken look, and with nothing to do spins (looks
 * once more without sleeping) or sleeps: in its futex, or in its poller once it has one, which it may get at any time. A sleep
 * may end for no reason, once.
 *
 * Assumes: sequential consistency. In the C the exchange and the compare-and-swap of the inbox are a release (push) and an
 * acquire (drain): the link; the one that puts SLEEPS there releases, and the one that replaces it acquires: how the loop
 * sleeps. `remote` is exchanged acq_rel on both sides: the reading of the link comes before the next push of the same strand.
 *
 * property safety: a strand is in the inbox at most once and comes out once for each push; none is lost; a record is used
 *                  again only when `remote` is 0 and nobody is about to push it; nobody sleeps for ever (no deadlock)
 * property ends:   under weak fairness every strand gets all its gifts and ends
 *
 * bug 1 (safety): the loop looks at the inbox and then stores SLEEPS, instead of a compare-and-swap
 * bug 2 (safety): a drain loads the inbox and then stores NULL, instead of an exchange
 * bug 3 (safety): a drain clears `remote` before it reads the strand's link
 * bug 4 (safety): the bell is reset after SLEEPS was put into the inbox
 * bug 5 (safety): how the loop sleeps is written after SLEEPS was put into the inbox
 * bug 6 (safety): a strand ends without looking at `remote`
 *
 * small: -DSTRANDS=2 -DPUSHERS=2 -DROUNDS=1
 * large: -DSTRANDS=2 -DPUSHERS=3 -DROUNDS=1
 * large safety: -DSTRANDS=2 -DPUSHERS=2 -DROUNDS=2
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef STRANDS
#define STRANDS 2
#endif
#ifndef PUSHERS
#define PUSHERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
/* Strands are 1 to STRANDS; pusher p wakes strand p % STRANDS + 1. */
#define NOBODY 0
#define SLEEPS 255
#define PUSHES(s) (((PUSHERS + STRANDS - (s)) / STRANDS) * ROUNDS)

byte inbox = NOBODY;
byte link[STRANDS + 1];
bit remote[STRANDS + 1];
byte pushed[STRANDS + 1], drained[STRANDS + 1];         /* to check by */
bit lock[STRANDS + 1];                                  /* of the group that the strand's task belongs to */
byte given[STRANDS + 1], taken[STRANDS + 1];
bit ended[STRANDS + 1];
byte pushing[STRANDS + 1];                              /* to check by: who is between his exchange and the end of his push */
byte live = STRANDS;

bit bell, in_futex, event, has_poller, sleeps_in_poller;
bit spurious = 1;

inline unpark_afar(s)
{
        d_step { was = remote[s]; remote[s] = 1; if :: !was -> pushing[s]++ :: else fi };
        if
        :: !was ->
                head = inbox;
                do
                :: link[s] = (head == SLEEPS -> NOBODY : head);
                        if
                        :: atomic { inbox == head -> inbox = s; pushed[s]++; break }
                        :: atomic { inbox != head -> head = inbox }
                        fi
                od;
                if
                :: head == SLEEPS ->            /* ring() */
                        if
                        :: sleeps_in_poller -> event = 1
                        :: !sleeps_in_poller -> bell = 1; in_futex = 0
                        fi
                :: else
                fi;
                d_step { pushing[s]--; head = 0; was = 0 }
        :: else
        fi
}

proctype Pusher(byte s)
{
        byte head, i;
        bit was;

        for (i : 1 .. ROUNDS) {
                atomic { !lock[s] -> lock[s] = 1 };
                given[s]++;
                unpark_afar(s);
                lock[s] = 0
        }
}

/* A cancel: it gives nothing, and comes too late when it likes. */
proctype Stray(byte s)
{
        byte head;
        bit was;

        atomic { !lock[s] -> lock[s] = 1 };
        if
        :: !ended[s] -> unpark_afar(s)
        :: else
        fi;
        lock[s] = 0
}

/* `list`, `next` and `s` are the loop's. */
inline drain()
{
        if
        :: inbox != NOBODY ->
#if BUG == 2
                s = inbox;
                inbox = NOBODY;
#else
                d_step { s = inbox; inbox = NOBODY };
#endif
                d_step {                        /* turned round; the links are nobody else's while `remote` is 1 */
                        list = NOBODY;
                        do
                        :: s != NOBODY -> next = link[s]; link[s] = list; list = s; s = next
                        :: else -> break
                        od;
                        next = 0
                };
                do
                :: list != NOBODY ->
#if BUG == 3
                        atomic { remote[list] = 0; drained[list]++ };
                        next = link[list];
#else
                        next = link[list];
                        atomic { remote[list] = 0; drained[list]++ };
#endif
                        woken[list] = 1;
                        d_step { assert(drained[list] <= pushed[list]); list = next; next = 0 }
                :: else -> break
                od
        :: else
        fi
}

/* The strand runs: takes what was given, and ends after the last. */
inline run_strand()
{
        woken[me] = 0;
        d_step { taken[me] = given[me] };
        if
        :: taken[me] == PUSHES(me) && !ended[me] ->
                do
                :: atomic { !lock[me] -> lock[me] = 1 };
#if BUG != 6
                        if
                        :: remote[me] -> lock[me] = 0; drain()
                        :: else -> break
                        fi
#else
                        break
#endif
                od;
                ended[me] = 1;
                live--;
                lock[me] = 0;
                d_step {                        /* the record may be another's from here on */
                        assert(remote[me] == 0 && pushing[me] == 0 && pushed[me] == drained[me]);
                        assert(given[me] == PUSHES(me))
                }
        :: else
        fi
}

inline sleep()
{
#if BUG != 5
        sleeps_in_poller = has_poller;
#endif
        did_sleep = 0;
#if BUG == 1
        if
        :: inbox == NOBODY -> inbox = SLEEPS; did_sleep = 1
        :: else
        fi;
#else
        if
        :: atomic { inbox == NOBODY -> inbox = SLEEPS; did_sleep = 1 }
        :: atomic { inbox != NOBODY -> skip }
        fi;
#endif
#if BUG == 4
        bell = 0;
#endif
#if BUG == 5
        sleeps_in_poller = has_poller;
#endif
        if
        :: did_sleep && !has_poller ->          /* the kernel looks at the bell, and sleeps, in one step */
                d_step { if :: bell == 0 -> in_futex = 1 :: else fi; skip };
                if
                :: in_futex == 0
                :: atomic { in_futex && spurious -> spurious = 0; in_futex = 0 }
                fi
        :: did_sleep && has_poller ->
                if
                :: atomic { event -> event = 0 }
                :: atomic { !event && spurious -> spurious = 0 }
                fi
        :: !did_sleep
        fi;
        if
        :: atomic { did_sleep && inbox == SLEEPS -> inbox = NOBODY; did_sleep = 0 }
        :: atomic { !(did_sleep && inbox == SLEEPS) -> did_sleep = 0 }
        fi
}

proctype Loop()
{
        byte s, list, next, me;
        bit woken[STRANDS + 1], did_sleep;

        do
        :: drain();
                for (me : 1 .. STRANDS) {
                        if
                        :: woken[me] -> run_strand()
                        :: else
                        fi
                }
                me = 0;
                if
                :: live == 0 -> break
                :: else
                fi;
                if
                :: !has_poller -> has_poller = 1                /* its first descriptor */
                :: skip
                fi;
                if
                :: woken[1] || woken[STRANDS]   /* a strand is ready */
                :: inbox != NOBODY              /* it spins and finds something, or has no time to sleep */
                :: !woken[1] && !woken[STRANDS] ->
#if BUG != 4
                        bell = 0;
#endif
                        sleep()
                fi
        od
}

init {
        byte p;

        atomic {
                run Loop();
                for (p : 0 .. PUSHERS - 1) {
                        run Pusher(p % STRANDS + 1)
                }
                run Stray(1);
                p = 0
        }
}

ltl ends { <> (live == 0) }
