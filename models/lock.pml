/* The lock: one word for who finds it free, a list for the others, handed from its holder to the first that waits.
 *
 * Stands for: src/sync/lock.c (take(), join(), plait_lock_acquire(), plait_lock_acquire_or_cancel(), release_awaited(),
 * plait_lock_release()), src/sync/waiters.h, plait__grant() and plait__granted() of src/core/strand.c.
 *
 * STRANDS strands, each on a thread of its own, take the lock ROUNDS times, the first CANCELLABLE of them by
 * plait_lock_acquire_or_cancel(); each of those is cancelled when it likes.
 *
 * Assumes: sequential consistency; park and unpark are park.pml's, here one permit a strand. The steps on the word are single,
 * even with the guard held, since the fast path does not take it; the list belongs to the guard. In the C a lock that is taken
 * from the word is an acquire, and put back a release; a hand-over is ordered by `granted`. That a process with one thread
 * uses plain loads and stores (plait__alone()) is not looked at.
 *
 * property safety: one holder at a time, whom `holder` names; nobody takes the lock while others wait (no barging); they get it in
 *                  the order in which they joined; nobody is touched after its wait; no deadlock
 * property ends:   under weak fairness every acquire ends
 *
 * bug 1 (safety): who was cancelled says so although the lock was handed to it
 * bug 2 (safety): who joins does not look whether the lock was free after all
 * bug 3 (safety): the release looks at the word and then stores FREE, instead of a compare-and-swap
 * bug 4 (safety): the word says HELD after a hand-over although others wait
 * bug 5 (safety): the word is FREE before the first that waits is granted: it can be taken meanwhile
 *
 * small: -DSTRANDS=3 -DROUNDS=1 -DCANCELLABLE=1
 * small safety: -DSTRANDS=3 -DROUNDS=1 -DCANCELLABLE=2
 * small safety: -DSTRANDS=2 -DROUNDS=3 -DCANCELLABLE=1
 * large: -DSTRANDS=3 -DROUNDS=2 -DCANCELLABLE=1
 * large safety: -DSTRANDS=4 -DROUNDS=1 -DCANCELLABLE=2
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef STRANDS
#define STRANDS 3
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef CANCELLABLE
#define CANCELLABLE 1
#endif
#define FREE 0
#define HELD 1
#define AWAITED 2
#define NOT_GRANTED 0
#define GRANTING 1
#define GRANTED 2
#define NOBODY 0

byte word = FREE;
bit guard;
byte holder = NOBODY;
chan waiters = [STRANDS] of { byte };
byte granted[STRANDS + 1];
bit wake[STRANDS + 1], cancelled[STRANDS + 1], handing[STRANDS + 1];
byte inside;                            /* to check by: how many hold it */
byte ended;

#define lock() atomic { guard == 0 -> guard = 1 }
#define unlock() guard = 0

inline enter()
{
        d_step { inside++; assert(inside == 1) }
}

inline grant(s)
{
        atomic { granted[s] = GRANTING; handing[s] = 1 };
        wake[s] = 1;
        atomic { granted[s] = GRANTED; handing[s] = 0 }
}

inline wait_granted(cancellable)
{
        do
        :: granted[me] != NOT_GRANTED -> atomic { granted[me] == GRANTED -> got = true; break }
        :: atomic { granted[me] == NOT_GRANTED && cancellable && cancelled[me] -> break }
        :: atomic { granted[me] == NOT_GRANTED && !(cancellable && cancelled[me]) && wake[me] -> wake[me] = 0 }
        od
}

inline acquire()
{
        if
        :: atomic { word == FREE -> word = HELD; assert(len(waiters) == 0) };
                holder = me;
                got = true
        :: atomic { word != FREE -> assert(holder != me) };     /* the misuse check must not fire */
                lock();
                d_step { was = word; word = AWAITED };
#if BUG == 2
                if
                :: false -> skip
                :: true ->
#else
                if
                :: was == FREE ->
                        word = (len(waiters) == 0 -> HELD : AWAITED);
                        holder = me;
                        got = true;
                        unlock()
                :: was != FREE ->
#endif
                        atomic { granted[me] = NOT_GRANTED; waiters!me };
                        unlock();
                        wait_granted(me <= CANCELLABLE);
                        if
                        :: got
                        :: !got ->
                                lock();
                                if
                                :: waiters??[eval(me)] -> waiters??eval(me); unlock()
                                :: !waiters??[eval(me)] ->
                                        unlock();
#if BUG != 1
                                        wait_granted(false)
#endif
                                fi
                        fi;
                        atomic { assert(!handing[me] || !got); granted[me] = NOT_GRANTED }
                fi;
                was = 0
        fi
}

inline release()
{
        holder = NOBODY;
        d_step { inside-- };
#if BUG == 3
        if
        :: word == HELD -> word = FREE
        :: else ->
#else
        if
        :: atomic { word == HELD -> word = FREE }
        :: word != HELD ->
#endif
                lock();
                if
                :: len(waiters) > 0 -> waiters?next
                :: len(waiters) == 0 -> next = NOBODY
                fi;
                holder = next;
#if BUG == 5
                word = FREE;
                if
                :: next -> word = (len(waiters) == 0 -> HELD : AWAITED)
                :: else
                fi;
#else
                if
                :: next == NOBODY -> word = FREE
#if BUG == 4
                :: next != NOBODY -> word = HELD
#else
                :: next != NOBODY && len(waiters) == 0 -> word = HELD
                :: next != NOBODY && len(waiters) > 0
#endif
                fi;
#endif
                unlock();
                if
                :: next != NOBODY -> grant(next); next = NOBODY
                :: next == NOBODY
                fi
        fi
}

proctype Strand(byte me)
{
        byte was, next, i;
        bool got;

        for (i : 1 .. ROUNDS) {
                acquire();
                if
                :: got ->
                        enter();
                        assert(holder == me);
                        release();
                        got = false
                :: !got
                fi
        }
        ended++
}

proctype Canceller(byte me)
{
        atomic { cancelled[me] = 1; wake[me] = 1 }
}

init {
        byte s;

        atomic {
                for (s : 1 .. STRANDS) {
                        run Strand(s)
                }
                for (s : 1 .. CANCELLABLE) {
                        run Canceller(s)
                }
                s = 0
        }
}

ltl ends { <> (ended == STRANDS) }
