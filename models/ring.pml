/* How a worker process that has run out of work is woken for more.
 *
 * Stands for: arm(), disarm(), spin() and wait_for_work() of src/process/worker.c; plait__pool_offer(), plait__pool_wake() and
 * plait__pool_recover() of pool.c; plait__worker_ring(), worker_forked() and worker_died() of nursery.c; tend() of monitor.c.
 *
 * A pool of one slot. The parent offers TASKS tasks; the worker takes them, spins when there is none, then sleeps: in its futex, or in its
 * poller once it has one. The monitor hears of its birth some time after it. It is killed DEATHS times, at any step, and
 * another is started. A task that it had then has its end with it (claim.pml).
 *
 * Assumes: sequential consistency, which the C has here by seq_cst operations: the tail before the look at `spinning` and the idle
 * bits, and the bit before the look at the tail. What the parent does with the region locked is one step, but for what the
 * worker sees of it.
 *
 * property safety: a worker does not sleep while a task is open and nobody is about to wake it (no deadlock)
 * property ends:   under weak fairness every task is taken
 *
 * bug 1 (safety): a worker that slept in its poller before its birth was heard of has no eventfd to be rung by, and
 *                 is not rung again
 * bug 2 (safety): a worker looks for work, and says that it is idle then
 * bug 3 (safety): a spinner does not look again after it has said that it spins no more
 * bug 4 (safety): the bell is reset after the worker has said that it is idle
 * bug 5 (safety): the death of one that spins is not made good
 *
 * small: -DTASKS=2 -DDEATHS=1
 * large: -DTASKS=4 -DDEATHS=2
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef TASKS
#define TASKS 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

byte head, tail;
bit spinning, idle, in_poller, bell, in_futex, event;
bit has_poller;                         /* the worker's own */
bit region;                             /* the lock */
bit running, known;                     /* the worker's process; the monitor has its eventfd */
bit born, gone, killed;                 /* news of the server */
byte deaths = DEATHS;

inline ring()
{
        bell = 1;
        if
        :: in_poller && known -> event = 1
        :: !(in_poller && known) -> in_futex = 0
        fi
}

/* With the region locked: plait__pool_wake(). */
inline wake()
{
        if
        :: head == tail || spinning && tail - head == 1
        :: head != tail && !(spinning && tail - head == 1) ->
                if
                :: atomic { idle -> idle = 0 }; ring()
                :: !idle
                fi
        fi
}

proctype Parent()
{
        byte i;

        for (i : 1 .. TASKS) {
                atomic { !region -> region = 1 };
                tail++;
                wake();
                region = 0
        }
}

proctype Worker()
{
again:  (running || head == TASKS);
        {
                do
                :: head == TASKS -> goto finished
                :: atomic { head < tail -> head++ };
                        if
                        :: has_poller = 1       /* the task waits for a descriptor */
                        :: skip
                        fi
                :: head == tail && head < TASKS ->
                        if
                        :: spinning = 1;
                                if
                                :: (head < tail)
                                :: skip         /* long enough */
                                fi;
                                spinning = 0
                        :: skip
                        fi;
#if BUG == 3
                        if
                        :: true ->
#else
                        if
                        :: head < tail
                        :: head == tail ->
#endif
#if BUG != 4
                                bell = 0;
#endif
                                in_poller = has_poller;
#if BUG == 2 || BUG == 3
                                if
                                :: BUG == 2 && head < tail -> goto awake
                                :: BUG == 2 && head == tail -> idle = 1
                                :: BUG == 3 -> idle = 1
                                fi;
#else
                                idle = 1;
                                if
                                :: head < tail -> goto awake
                                :: head == tail
                                fi;
#endif
#if BUG == 4
                                bell = 0;
#endif
                                if
                                :: has_poller -> atomic { event -> event = 0 }
                                :: atomic { !has_poller -> in_futex = !bell }; (!in_futex)
                                fi;
awake:                          idle = 0;
                                in_poller = 0
                        fi
                od
        } unless { killed };
        atomic { killed = 0; running = 0; has_poller = 0; in_futex = 0; gone = 1 };
        goto again;
finished:
        skip
}

proctype Killer()
{
        do
        :: atomic { deaths > 0 && running && !killed -> deaths--; killed = 1 }
        :: break
        od
}

/* The server starts a worker, and tells of it; the monitor starts one whenever none is there. */
proctype Monitor()
{
        do
        :: atomic { !running && !gone && !born && !region -> running = 1; born = 1; event = 0 }
        :: atomic { born && !region -> region = 1; born = 0; known = 1 };
#if BUG != 1
                if                              /* whoever rang it until now may have had no way to */
                :: in_poller -> event = 1
                :: !in_poller
                fi;
#endif
                wake();
                region = 0
        :: atomic { gone && !born && !region -> region = 1; gone = 0; known = 0 };      /* told in order */
                atomic {
#if BUG != 5
                        spinning = 0;
#endif
                        idle = 0;
                        in_poller = 0;
                        bell = 0
                };
                wake();
                region = 0
        :: head == TASKS -> break
        od
}

init {
        atomic {
                run Parent();
                run Worker();
                run Killer();
                run Monitor()
        }
}

ltl ends { <> (head == TASKS) }
