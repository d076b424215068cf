/* Park and unpark: the one blocking primitive.
 *
 * Stands for: plait__park(), plait__unpark(), plait__yield(), leave() and next_to_run() of src/core/strand.c;
 * plait__loop_drain(), look_timers() and plait__loop_idle() of src/core/loop.c.
 *
 * One thread is home to two strands. A waits: first for its deadline, then for as many gifts as come (each is something
 * handed over, and then a wake-up), last for its cancel. B, a coroutine beside it, gives from the same loop and yields. Wakers
 * and a canceller are other threads, and for A's first waits their
 * wake-ups mean nothing; the clock passes the deadline when it likes. As in
 * the C, who parks and finds nobody ready runs the poller itself.
 *
 * Assumes: sequential consistency. In the C `parked`, `permit` and the ready list belong to one thread. What a waker wrote is
 * seen by the woken strand because the exchanges of `remote` (acq_rel, in unpark and in drain) order it, even for a waker that
 * finds `remote` set. The inbox is one step here; inbox.pml takes it apart.
 *
 * property safety: a strand is in the ready list at most once, in the inbox at most once, and runs only when it was taken
 *                  from the list; nobody sleeps for ever (no deadlock): no wake-up is lost
 * property ends:   under weak fairness A gets every gift, its deadline and its cancel, and both strands end
 *
 * bug 1 (safety): a wake-up that comes before the strand has parked is dropped: there is no permit
 * bug 2 (safety): `remote` is looked at and then set, instead of exchanged
 * bug 3 (safety): another thread touches `parked` and the ready list itself
 * bug 4 (safety): the caller of park takes its return for the gift: it does not loop on its condition
 * bug 5 (safety): the waker wakes first and gives then
 *
 * small: -DWAKERS=2 -DROUNDS=1
 * small safety: -DWAKERS=1 -DROUNDS=3
 * large: -DWAKERS=3 -DROUNDS=1
 * large: -DWAKERS=2 -DROUNDS=2
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef WAKERS
#define WAKERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define B_GIVES 1
#define A 0
#define B 1

byte current = A;                       /* who runs on the home thread */
bool parked[2], permit[2];              /* of the home thread alone */
bool in_ready[2], in_inbox[2];          /* to check by */
bool remote[2];
chan ready = [2] of { byte };
chan inbox = [2] of { byte };
chan batch = [2] of { byte };           /* what a drain has taken */
bool sleeps, bell;
byte given, taken;
byte who;
bool late, armed;                       /* the deadline has passed; A's timer is set for it */
bool cancelled;
bool a_ended, b_ended;

inline append(s)
{
        assert(!in_ready[s]);
        in_ready[s] = true;
        ready!s
}

inline unpark_own(s)
{
        d_step {
                if
                :: parked[s] -> parked[s] = false; append(s)
                :: else ->
#if BUG != 1
                        permit[s] = true
#else
                        skip
#endif
                fi
        }
}

inline push(s)
{
        d_step {
                assert(!in_inbox[s]);
                in_inbox[s] = true;
                inbox!s;
                if
                :: sleeps -> sleeps = false; bell = true
                :: else
                fi
        }
}

inline unpark_afar(s)
{
#if BUG == 2
        was = remote[s];
        remote[s] = true;
        if
        :: !was -> push(s)
        :: else
        fi
#elif BUG == 3
        if
        :: parked[s] ->
                parked[s] = false;
                d_step { append(s); sleeps = false; bell = true }
        :: else -> permit[s] = true
        fi
#else
        d_step { was = remote[s]; remote[s] = true }
        if
        :: !was -> push(s)
        :: else
        fi
#endif
}

/* `who` is scratch of the home thread, back at 0 after use. */
inline drain()
{
        skip;
        d_step {
                do
                :: inbox?who -> in_inbox[who] = false; batch!who
                :: len(inbox) == 0 -> break
                od;
                who = 0
        };
        do
        :: atomic {
                batch?who ->
                remote[who] = false;
                unpark_own(who);
                who = 0
        }
        :: atomic { len(batch) == 0 -> break }
        od
}

inline idle()
{
        do
        :: drain();
                if
                :: atomic { armed && late -> armed = false; unpark_own(A) }
                :: atomic { !(armed && late) -> skip }
                fi;
                if
                :: atomic { len(ready) > 0 -> break }
                :: atomic { len(ready) == 0 -> bell = false }
                fi;
                sleeps = (len(inbox) == 0);
                if
                :: atomic { sleeps || bell -> (bell || (armed && late)); bell = false; sleeps = false }
                :: atomic { !(sleeps || bell) -> skip }
                fi
        od;
        skip
}

/* Who leaves runs the poller on its own stack. */
inline leave_to_next()
{
        if
        :: len(ready) > 0
        :: len(ready) == 0 -> idle()
        fi;
        d_step {
                ready?who;
                in_ready[who] = false;
                assert(!parked[who]);
                current = who;
                who = 0
        }
}

inline park(s)
{
        if
        :: atomic { permit[s] -> permit[s] = false }
        :: atomic { !permit[s] -> parked[s] = true };
                leave_to_next();
                (current == s)
        fi
}

proctype Waiter()
{
        do                              /* until its deadline */
        :: late -> break
        :: else -> armed = true; park(A)
        od;
        do
        :: taken == WAKERS * ROUNDS + B_GIVES -> break
        :: else ->
#if BUG == 4
                if
                :: given > taken
                :: else -> park(A)
                fi;
#else
                do
                :: given > taken -> break
                :: else ->
                        if
                        :: drain()      /* as who frees a record does: what comes now must be kept for the park */
                        :: skip
                        fi;
                        park(A)
                od;
#endif
                assert(given > taken);
                taken++
        od;
        do                              /* until it is cancelled, and its group's other task has ended */
        :: cancelled && b_ended -> break
        :: else -> park(A)
        od;
        a_ended = true
}

proctype Beside()
{
        byte i;

        (current == B);
        for (i : 1 .. B_GIVES) {
                given++;
                unpark_own(A);
                d_step { append(B) };
                leave_to_next();
                (current == B)
        }
        b_ended = true;
        unpark_own(A);
        leave_to_next()
}

proctype Waker()
{
        byte i;
        bool was;

        for (i : 1 .. ROUNDS) {
#if BUG == 5
                unpark_afar(A);
                given++
#else
                given++;
                unpark_afar(A)
#endif
        }
}

proctype Canceller()
{
        bool was;

        cancelled = true;
        unpark_afar(A)
}

proctype Clock()
{
        late = true
}

init {
        byte i;

        atomic {
                d_step { append(B) };
                run Waiter();
                run Beside();
                for (i : 1 .. WAKERS) {
                        run Waker()
                }
                run Canceller();
                run Clock()
        }
}

ltl ends { <> (a_ended && b_ended && taken == given) }
