/* Select: waiting on several queues at once, with a time-out; exactly one case is taken.
 *
 * Stands for: src/task/select.c, the registrations of src/sync/waiters.c, and the hand-over of src/sync/queue.c:
 *
 *   - What stands in a queue's list of waiters is a registration: a link, its strand, which case it is, and the item's place. A
 *     plain waiter has one, a select one for each case; they lie in the frame of the call.
 *   - The strand has a claim word: OPEN, or the case that was taken, or LEFT. It is reset before the first registration. Only a
 *     compare-and-swap from OPEN changes it.
 *   - A granter pops the first registration, with the guard held. If it is a select's it claims that case; if that fails it drops
 *     the registration and goes on to the next, still with the guard held; when none is left it does as if nobody had
 *     waited. Then, as now: the item goes to its place, the guard is let go, plait__grant().
 *   - A select looks at its cases in turn, each with the guard of its queue held: if the case can go at once it claims its own
 *     word, and only if that succeeds takes or puts (it may have been granted by a case registered before); else it registers.
 *     One that puts claims itself first and the getter that it pops second: with room in the queue (capacity is at least 1,
 *     and getters wait only when it is empty) it never has to take the first claim back.
 *   - Time-out and cancel: it claims LEFT. If that fails something was handed to it, and it waits until that is GRANTED.
 *   - Before it returns it takes off whatever registrations are still in lists, each with its guard held; nobody touches them
 *     after that.
 *
 * Modelled: two queues of one slot. SELECTS strands get from either, in opposite order, each with a time-out that comes when it
 * likes; with MIXED one more gets from queue 0 or puts to queue 1; plain putters put to queues 0 and 1, and a plain getter gets from
 * queue 0: those that still wait when nothing moves any more are cancelled. What is done with a guard held is one step.
 *
 * Assumes: sequential consistency. The claim must be acq_rel, and `granted` is a release/acquire pair as now.
 *
 * property safety: a select that was granted took exactly one case, one that timed out none; each item put is got once or lies in a
 *                  queue; no item lies there while somebody who could take it waits; no registration is touched after
 *                  its call; no deadlock
 * property ends:   under weak fairness every call ends
 *
 * bug 1 (safety): a granter does not look whether the claim succeeds: it grants who is first
 * bug 2 (safety): a granter whose claim failed takes that for a hand-over: the next waiter is not looked at
 * bug 3 (safety): at its time-out a select leaves without claiming LEFT
 * bug 4 (safety): a select takes what is there without claiming its own word: a case registered before may have been granted
 * bug 5 (safety): a select returns with registrations still in lists
 *
 * small safety: -DSELECTS=2 -DPUTTERS=2 -DMIXED=0
 * small safety: -DSELECTS=1 -DPUTTERS=2 -DMIXED=1
 * small: -DSELECTS=1 -DPUTTERS=3 -DMIXED=0
 * large: -DSELECTS=2 -DPUTTERS=3 -DMIXED=0
 * large safety: -DSELECTS=2 -DPUTTERS=2 -DMIXED=1
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef SELECTS
#define SELECTS 2
#endif
#ifndef PUTTERS
#define PUTTERS 2
#endif
#ifndef MIXED
#define MIXED 0
#endif
/* Strands: 1 to SELECTS, then the mixed select, then the plain getter, then putters. */
#define MIX (SELECTS + 1)
#define PLAIN (SELECTS + 2)
#define STRANDS (SELECTS + PUTTERS + 3)
#define ITEMS (PUTTERS + 2)             /* item of putter p: p - PLAIN; the mixed select's: PUTTERS + 1 */

#define OPEN 0                          /* else 1 + the queue whose case was taken */
#define LEFT 9
#define NOT_GRANTED 0
#define GRANTING 1
#define GRANTED 2

chan items0 = [1] of { byte };
chan items1 = [1] of { byte };
chan getters0 = [STRANDS] of { byte };
chan getters1 = [STRANDS] of { byte };
chan putters0 = [STRANDS] of { byte };
chan putters1 = [STRANDS] of { byte };

byte claim[STRANDS], granted[STRANDS], slot[STRANDS];
bit handing[STRANDS], waits[STRANDS];
bit cancelled;                          /* all that still wait */
byte got[ITEMS], put[ITEMS];
byte ended;

/* With the guard held: pops until a claim succeeds; `other` is who was claimed, or 0. */
inline pop(list, q)
{
        other = 0;
        do
        :: other == 0 && list?[_] ->
                list?other;
                assert(waits[other]);           /* its call is not over */
                if
                :: claim[other] == OPEN -> claim[other] = 1 + q
#if BUG == 1
                :: claim[other] != OPEN -> claim[other] = 1 + q
#elif BUG == 2
                :: claim[other] != OPEN -> break
#else
                :: claim[other] != OPEN -> other = 0
#endif
                fi
        :: other != 0 || empty(list) -> break
        od
}

inline grant()
{
        if
        :: other ->
                atomic { granted[other] = GRANTING; handing[other] = 1 };
                atomic { granted[other] = GRANTED; handing[other] = 0; other = 0 }
        :: !other
        fi
}

/* With the guard held; who waits is left in `other`. Returns with done = 1, or 0: would have to wait. */
inline get_now(items, putters, q)
{
        if
        :: nempty(items) ->
#if BUG == 4
                claim[me] = 1 + q;
#else
                if
                :: claim[me] == OPEN -> claim[me] = 1 + q
                :: claim[me] != OPEN -> goto taken
                fi;
#endif
                items?item;
                got[item]++;
                taken_here++;
                item = 0;
                pop(putters, q);
                if
                :: other -> items!slot[other]; put[slot[other]]++
                :: !other
                fi;
                done = 1
        :: empty(items) -> done = 0
        fi
}

inline put_now(items, getters, q, it)
{
        if
        :: empty(items) ->
                if
                :: claim[me] == OPEN -> claim[me] = 1 + q
                :: claim[me] != OPEN -> goto taken
                fi;
                put[it]++;
                pop(getters, q);
                if
                :: other -> slot[other] = it; got[it]++
                :: !other -> items!it
                fi;
                taken_here++;
                done = 1
        :: nempty(items) -> done = 0
        fi
}

inline take_off(list)
{
        if
        :: list??[eval(me)] -> list??eval(me)
        :: !list??[eval(me)]
        fi
}

/* Until granted, or LEFT was claimed: by who has a time-out at any time, by the others once they are cancelled. */
inline wait_granted(timed)
{
        do
        :: granted[me] != NOT_GRANTED -> atomic { granted[me] == GRANTED -> break }
        :: granted[me] == NOT_GRANTED && (timed || cancelled) ->
#if BUG == 3
                claim[me] = LEFT;
                break
#else
                if
                :: atomic { claim[me] == OPEN -> claim[me] = LEFT; break }
                :: atomic { claim[me] != OPEN -> granted[me] == GRANTED -> break }
                fi
#endif
        od
}

/* The end of a call: what it was told must be what happened to it. */
inline end_call()
{
        atomic {
                assert(!handing[me]);
                assert(claim[me] != OPEN);
                assert(taken_here + (granted[me] == GRANTED -> 1 : 0) == (claim[me] == LEFT -> 0 : 1));
                waits[me] = 0;
                slot[me] = 0
        };
        ended++
}

/* Gets from queue first and from the other; or, mixed, gets from 0 and puts to 1. */
proctype Select(byte me; bit first; bit mixed)
{
        byte other, item, taken_here;
        bit done;

        waits[me] = 1;
        atomic {
                if
                :: first == 0 -> get_now(items0, putters0, 0)
                :: first == 1 -> get_now(items1, putters1, 1)
                fi;
                if
                :: !done && first == 0 -> getters0!me
                :: !done && first == 1 -> getters1!me
                :: done
                fi
        };
        grant();
        if
        :: done
        :: !done ->
                atomic {
                        if
                        :: mixed -> slot[me] = PUTTERS + 1; put_now(items1, getters1, 1, slot[me])
                        :: !mixed && first == 1 -> get_now(items0, putters0, 0)
                        :: !mixed && first == 0 -> get_now(items1, putters1, 1)
                        fi;
                        if
                        :: done
                        :: !done && mixed -> putters1!me
                        :: !done && !mixed && first == 1 -> getters0!me
                        :: !done && !mixed && first == 0 -> getters1!me
                        fi
                };
                grant();
taken:          other = 0;
                if
                :: done
                :: !done -> wait_granted(true)
                fi
        fi;
#if BUG != 5
        atomic { take_off(getters0) };
        atomic { take_off(getters1); take_off(putters1) };
#endif
        end_call()
}

/* A plain get; its one registration needs no claim, but is claimed like the others. */
proctype Getter(byte me)
{
        byte other, item, taken_here;
        bit done;

        waits[me] = 1;
        atomic {
                get_now(items0, putters0, 0);
                if
                :: done
                :: !done -> getters0!me
                fi
        };
        grant();
taken:  if
        :: done
        :: !done -> wait_granted(false)
        fi;
        atomic { take_off(getters0) };
        end_call()
}

proctype Putter(byte me; bit q)
{
        byte other, taken_here;
        bit done;

        waits[me] = 1;
        slot[me] = me - PLAIN;
        atomic {
                if
                :: q == 0 -> put_now(items0, getters0, 0, slot[me])
                :: q == 1 -> put_now(items1, getters1, 1, slot[me])
                fi;
                if
                :: done
                :: !done && q == 0 -> putters0!me
                :: !done && q == 1 -> putters1!me
                fi
        };
        grant();
taken:  if
        :: done
        :: !done -> wait_granted(false)
        fi;
        atomic { take_off(putters0); take_off(putters1) };
        end_call()
}

init {
        byte s;

        atomic {
                for (s : 1 .. SELECTS) {
                        run Select(s, s % 2, 0)
                }
#if MIXED
                run Select(MIX, 0, 1);
#endif
                run Getter(PLAIN);
                for (s : PLAIN + 1 .. STRANDS - 1) {
                        run Putter(s, s % 2)
                }
                s = 0
        };
        atomic {
                timeout ->                      /* nothing moves any more: who waits does so with reason */
                        for (s : 1 .. STRANDS - 1) {
                                assert(claim[s] != OPEN || !getters0??[eval(s)] || empty(items0));
                                assert(claim[s] != OPEN || !getters1??[eval(s)] || empty(items1));
                                assert(claim[s] != OPEN || !putters0??[eval(s)] || nempty(items0));
                                assert(claim[s] != OPEN || !putters1??[eval(s)] || nempty(items1))
                        }
                        s = 0;
                        cancelled = 1
        };
        atomic {
                ended == SELECTS + MIXED + 1 + PUTTERS ->
                        for (s : 1 .. ITEMS - 1) {
                                assert(got[s] + (items0??[eval(s)] || items1??[eval(s)] -> 1 : 0) == put[s])
                        }
        }
}

ltl ends { <> (ended == SELECTS + MIXED + 1 + PUTTERS) }
