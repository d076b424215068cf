/* The bounded queue: items are handed straight to who waits; a waiter may be cancelled; the queue may be shut down.
 *
 * Stands for: src/sync/queue.c (put_now(), get_now(), wait_in(), wake_all(), plait_queue_shutdown()), src/sync/waiters.h,
 * plait__grant(), plait__granted() and plait__wait_granted() of src/core/strand.c.
 *
 * Putters put PUTS items each and getters take GETS, all on threads of their own; a canceller cancels one of each when it likes;
 * a closer shuts the queue down when it likes, leaving what lies there or (IMMEDIATE) not. Items are numbered in the order in
 * which they enter: by being stored, handed over, or by their putter joining those who wait.
 *
 * Assumes: sequential consistency; park and unpark are park.pml's, here one permit a strand. What is done with
 * the guard held is one step; in the C its release and acquire order the items. What is handed over outside of it is ordered by `granted` (release in plait__grant(),
 * acquire in plait__granted()).
 *
 * property safety: an item whose put returned 0 was got once, or lies in the queue, or was dropped by an immediate shutdown; one
 *                  whose put failed was never got; items come out in the order in which they went in; no item lies there while a
 *                  getter waits, and no room while a putter does; nobody is touched after its wait; no deadlock
 * property ends:   under weak fairness every call ends once the queue is shut down
 *
 * bug 1 (safety): who was cancelled says so although something was handed to it
 * bug 2 (safety -DPUTTERS=3 -DGETTERS=1): a shutdown does not wake the putters
 * bug 3 (safety): a getter looks before it takes the guard to join those who wait
 * bug 4 (safety): a get does not fill the room it makes from the first putter that waits
 * bug 5 (safety -DGETS=2): the hand-over is one step, told before the wake-up: the waiter may be on its way meanwhile
 * bug 6 (safety -DIMMEDIATE=1): an immediate shutdown drops the items, and then, with the guard taken anew, shuts the queue
 *
 * small safety: -DPUTTERS=2 -DPUTS=1 -DGETTERS=2 -DGETS=1 -DIMMEDIATE=0
 * small ends: -DPUTTERS=2 -DPUTS=1 -DGETTERS=1 -DGETS=2 -DIMMEDIATE=0
 * small safety: -DPUTTERS=2 -DPUTS=1 -DGETTERS=2 -DGETS=1 -DIMMEDIATE=1
 * small safety: -DPUTTERS=3 -DPUTS=1 -DGETTERS=1 -DGETS=1 -DIMMEDIATE=0
 * large safety: -DPUTTERS=2 -DPUTS=2 -DGETTERS=2 -DGETS=2 -DIMMEDIATE=0
 * large safety: -DPUTTERS=3 -DPUTS=1 -DGETTERS=2 -DGETS=2 -DIMMEDIATE=1
 * large ends: -DPUTTERS=2 -DPUTS=1 -DGETTERS=2 -DGETS=2 -DIMMEDIATE=0
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef PUTTERS
#define PUTTERS 2
#endif
#ifndef PUTS
#define PUTS 1
#endif
#ifndef GETTERS
#define GETTERS 2
#endif
#ifndef GETS
#define GETS 1
#endif
#ifndef IMMEDIATE
#define IMMEDIATE 0
#endif
#define CAPACITY 1
#define STRANDS (PUTTERS + GETTERS + 1)
#define ITEMS (PUTTERS * PUTS)
/* Strands 1 to PUTTERS put, those after them get; items count from 1. */
#define ITEM ((me - 1) * PUTS + i)

#define NOT_GRANTED 0
#define GRANTING 1
#define GRANTED 2
#define NO_RC 0
#define OK 1
#define SHUT 2
#define CANCELED 3

bit shut;
chan items = [CAPACITY] of { byte };
chan getters = [GETTERS] of { byte };
chan putters = [PUTTERS] of { byte };
chan shut_out = [STRANDS] of { byte };  /* the list of wake_all() */

byte granted[STRANDS];
bit wake[STRANDS];
bit cancelled[STRANDS];
byte slot[STRANDS];
byte object[STRANDS];
bit handing[STRANDS];                   /* to check by: somebody is between the two steps of a hand-over to it */

byte number[ITEMS + 1], last_number, last_out;
byte got[ITEMS + 1];
byte put_rc[ITEMS + 1];
bit dropped[ITEMS + 1];
byte ended;

inline enters(i) { last_number++; number[i] = last_number }
inline leaves(i) { assert(number[i] > last_out); last_out = number[i]; got[i]++ }

/* Whenever the guard is let go. */
inline check_rest()
{
        assert(len(getters) == 0 || (len(items) == 0 && !shut));
        assert(len(putters) == 0 || (len(items) == CAPACITY && !shut))
}

inline grant(s, rc)
{
#if BUG == 5
        atomic { object[s] = rc; granted[s] = GRANTED; handing[s] = 1 };
        atomic { wake[s] = 1; handing[s] = 0 };
#else
        atomic { object[s] = rc; granted[s] = GRANTING; handing[s] = 1 };
        wake[s] = 1;
        atomic { granted[s] = GRANTED; handing[s] = 0 };
#endif
        s = 0
}

#define in_list(waiters, s) (waiters??[eval(s)] || shut_out??[eval(s)])

/* It has joined those who wait. */
inline wait_in(waiters, me, rc)
{
        do
        :: granted[me] != NOT_GRANTED -> atomic { granted[me] == GRANTED -> rc = object[me]; break }
        :: granted[me] == NOT_GRANTED && cancelled[me] ->
                atomic {
                        if
                        :: !in_list(waiters, me) ->
#if BUG == 1
                                rc = CANCELED
#else
                                skip            /* what was handed over is not thrown away */
#endif
                        :: in_list(waiters, me) ->
                                if
                                :: waiters??[eval(me)] -> waiters??eval(me)
                                :: !waiters??[eval(me)] -> shut_out??eval(me)
                                fi;
                                rc = CANCELED
                        fi
                };
                if
                :: rc == CANCELED
                :: rc != CANCELED ->
                        do
                        :: granted[me] != NOT_GRANTED -> atomic { granted[me] == GRANTED -> rc = object[me]; break }
                        :: atomic { granted[me] == NOT_GRANTED && wake[me] -> wake[me] = 0 }
                        od
                fi;
                break
        :: atomic { granted[me] == NOT_GRANTED && !cancelled[me] && wake[me] -> wake[me] = 0 }
        od;
        atomic { assert(!handing[me]); object[me] = NO_RC; granted[me] = NOT_GRANTED }
}

proctype Putter(byte me)
{
        byte i, other;
        byte rc;

        for (i : 1 .. PUTS) {
                atomic {
                        if
                        :: shut -> rc = SHUT
                        :: !shut && len(getters) > 0 ->
                                getters?other;
                                slot[other] = ITEM;
                                enters(ITEM);
                                leaves(ITEM);
                                rc = OK
                        :: !shut && len(getters) == 0 && len(items) == CAPACITY ->
                                slot[me] = ITEM;
                                granted[me] = NOT_GRANTED;
                                enters(ITEM);
                                putters!me
                        :: !shut && len(getters) == 0 && len(items) < CAPACITY -> enters(ITEM); items!ITEM; rc = OK
                        fi;
                        check_rest()
                };
                if
                :: rc == OK && other -> grant(other, OK)
                :: rc == NO_RC -> wait_in(putters, me, rc)
                :: rc != NO_RC && !other
                fi;
                atomic { put_rc[ITEM] = rc; rc = NO_RC }
        }
        ended++
}

proctype Getter(byte me)
{
        byte i, item, other;
        byte rc;

        for (i : 1 .. GETS) {
#if BUG == 3
                (len(items) == 0 && !shut);
                atomic { getters!me };
#else
                atomic {
                        if
                        :: len(items) == 0 && shut -> rc = SHUT
                        :: len(items) == 0 && !shut -> slot[me] = 0; granted[me] = NOT_GRANTED; getters!me
                        :: len(items) > 0 ->
                                items?item;
                                leaves(item);
                                item = 0;
                                rc = OK;
#if BUG != 4
                                if
                                :: len(putters) > 0 -> putters?other; items!slot[other]
                                :: len(putters) == 0
                                fi
#endif
                        fi;
                        check_rest()
                };
#endif
                if
                :: rc == OK && other -> grant(other, OK)
                :: rc == NO_RC -> wait_in(getters, me, rc); assert(rc != OK || slot[me] != 0)
                :: rc != NO_RC && !other
                fi;
                atomic { rc = NO_RC; slot[me] = 0 }
        }
        ended++
}

proctype Canceller(byte me)
{
        atomic { cancelled[me] = 1; wake[me] = 1 }
}

/* wake_all(): the list is taken whole, and the guard let go for each of it. */
inline take_all(waiters)
{
        do
        :: len(waiters) > 0 -> waiters?other; shut_out!other
        :: len(waiters) == 0 -> break
        od;
        other = 0
}

inline wake_all()
{
        do
        :: atomic { len(shut_out) > 0 -> shut_out?other };
                grant(other, SHUT)
        :: len(shut_out) == 0 -> break
        od
}

inline drop_items()
{
        do
        :: len(items) > 0 -> items?item; dropped[item] = 1
        :: len(items) == 0 -> break
        od;
        item = 0
}

proctype Closer()
{
        byte other, item;

#if BUG == 6
        atomic { drop_items() };
#endif
        atomic {
                shut = 1;
#if IMMEDIATE && BUG != 6
                drop_items();
#endif
                assert(!IMMEDIATE || len(items) == 0);
                take_all(getters);
#if BUG != 2
                if                              /* the guard is not let go between the two lists: one of them is empty */
                :: len(shut_out) == 0 -> take_all(putters)
                :: len(shut_out) > 0
                fi;
                check_rest()
#endif
        };
        wake_all();
#if BUG != 2
        assert(len(putters) == 0)
#endif
}

/* When all have ended: each item's account. */
proctype Auditor()
{
        byte i;

        atomic {
                (ended == PUTTERS + GETTERS);
                for (i : 1 .. ITEMS) {
                        assert(put_rc[i] != OK || got[i] + dropped[i] + (items??[eval(i)] -> 1 : 0) == 1);
                        assert(put_rc[i] == OK || got[i] + dropped[i] + (items??[eval(i)] -> 1 : 0) == 0)
                }
                i = 0
        }
}

init {
        byte s;

        atomic {
                for (s : 1 .. PUTTERS) {
                        run Putter(s)
                }
                for (s : PUTTERS + 1 .. STRANDS - 1) {
                        run Getter(s)
                }
                run Canceller(1);
                run Canceller(PUTTERS + 1);
                run Closer();
                run Auditor();
                s = 0
        }
}

ltl ends { <> (ended == PUTTERS + GETTERS) }
