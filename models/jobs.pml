/* Job records and the ring of a board: both run out, and tasks then wait in their pool's list.
 *
 * Stands for: processes_start(), post_waiting(), plait__job_told() and ring_full() of src/process/tasks.c; plait__job_take() of
 * region.c; plait__pool_offer(), plait__pool_fail() of pool.c; the passing of entries by take_task() of worker.c.
 *
 * Two pools share JOBS records; each pool has a ring of RING entries and TASKS tasks to start. Pool 0 has a worker; pool 1's
 * workers die before they are ready, so that in the end its tasks are failed without one ever having looked at its ring.
 *
 * Who gives a job record back posts for whichever pool waits, not only for the job's own (in the C the monitor does it for the
 * others). Who finds the ring full passes over the entries at its head that are claimed, revoked or done, as a worker would.
 *
 * Assumes: what is done with the region locked is one step.
 *
 * property safety: a task waits only while a record is in use or the ring holds one that is open; each task ends once; no deadlock
 * property ends:   under weak fairness every task ends
 *
 * bug 1 (safety): who gives a record back posts only for the pool that it was of
 * bug 2 (safety): only workers pass entries, so those of tasks that were revoked fill the ring
 * bug 3 (safety): a start does not look whether others wait before it takes a record: it overtakes them
 *
 * small: -DTASKS=3 -DJOBS=1 -DRING=2
 * small safety: -DTASKS=3 -DJOBS=2 -DRING=2
 * large: -DTASKS=5 -DJOBS=2 -DRING=3
 * large safety: -DTASKS=6 -DJOBS=3 -DRING=2
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef TASKS
#define TASKS 3
#endif
#ifndef JOBS
#define JOBS 1
#endif
#ifndef RING
#define RING 2
#endif
#define POOLS 2
/* Task t of pool p: 1 + p * TASKS + t. */
#define POOL_OF(t) (((t) - 1) / TASKS)

byte records = JOBS;                    /* free */
chan ring0 = [RING] of { byte };
chan ring1 = [RING] of { byte };
chan waiting0 = [TASKS] of { byte };
chan waiting1 = [TASKS] of { byte };
bit open[POOLS * TASKS + 1];            /* its word says so */
bit used[POOLS * TASKS + 1];            /* it has a record */
bit ended[POOLS * TASKS + 1];
chan told = [POOLS * TASKS] of { byte };
byte ends, last[POOLS];
byte open1;                             /* pool 1's that are open */

#if BUG == 3
#define WAITS_NOT(list) true
#else
#define WAITS_NOT(list) (len(list) == 0)
#endif

#define ALL (POOLS * TASKS)

/* With the region locked: entries at the head of the ring that nobody can claim any more. */
inline pass(ring)
{
#if BUG != 2
        do
        :: len(ring) == RING ->
                ring?<i>;
                if
                :: !open[i] -> ring?i
                :: open[i] -> break
                fi
        :: len(ring) < RING -> break
        od;
        i = 0
#else
        skip
#endif
}

inline post(t, ring, pool)
{
        assert(t > last[pool]);         /* in the order in which they were started */
        last[pool] = t;
        records--;
        used[t] = 1;
        open[t] = 1;
        open1 = open1 + pool;
        ring!t
}

proctype Starter(bit pool)
{
        byte t, n, i;

        for (n : 1 .. TASKS) {
                atomic {
                        t = pool * TASKS + n;
                        if
                        :: pool == 0 ->
                                pass(ring0);
                                if
                                :: WAITS_NOT(waiting0) && len(ring0) < RING && records -> post(t, ring0, 0)
                                :: !(WAITS_NOT(waiting0) && len(ring0) < RING && records) -> waiting0!t
                                fi
                        :: pool == 1 ->
                                pass(ring1);
                                if
                                :: WAITS_NOT(waiting1) && len(ring1) < RING && records -> post(t, ring1, 1)
                                :: !(WAITS_NOT(waiting1) && len(ring1) < RING && records) -> waiting1!t
                                fi
                        fi;
                        t = 0
                }
        }
}

inline post_waiting0()
{
        do
        :: len(waiting0) > 0 && records ->
                pass(ring0);
                if
                :: len(ring0) < RING -> waiting0?t; post(t, ring0, 0)
                :: len(ring0) == RING -> break
                fi
        :: len(waiting0) == 0 || !records -> break
        od
}

inline post_waiting1()
{
        do
        :: len(waiting1) > 0 && records ->
                pass(ring1);
                if
                :: len(ring1) < RING -> waiting1?t; post(t, ring1, 1)
                :: len(ring1) == RING -> break
                fi
        :: len(waiting1) == 0 || !records -> break
        od
}

/* Hears of ends, on whatever loop. */
proctype Hearer()
{
        byte t, i;
        bit pool;

        do
        :: atomic {
                told?t ->
                assert(used[t] && !open[t] && !ended[t]);
                used[t] = 0;
                ended[t] = 1;
                ends++;
                records++;
                pool = POOL_OF(t);
                t = 0
        };
        atomic {
#if BUG == 1
                if
                :: pool == 0 -> post_waiting0()
                :: pool == 1 -> post_waiting1()
                fi;
#else
                if                              /* whoever waits: its own first, or another's */
                :: pool == 0 -> post_waiting0(); post_waiting1()
                :: pool == 1 -> post_waiting1(); post_waiting0()
                fi;
#endif
                pool = 0
        }
        :: ends == ALL -> break
        od
}

/* Pool 0's: claims and passes, in two steps, as take_task() does. */
proctype Worker()
{
        byte t;

        do
        :: len(ring0) > 0 ->
                atomic {
                        ring0?<t>;
                        if
                        :: open[t] -> open[t] = 0; told!t
                        :: !open[t]
                        fi
                };
                atomic {
                        if
                        :: ring0?[eval(t)] -> ring0?eval(t)
                        :: !ring0?[eval(t)]
                        fi;
                        t = 0
                }
        :: ends == ALL -> break
        od
}

/* Pool 1's workers have died too often: plait__pool_fail(). */
proctype Failer()
{
        byte t;

        do
        :: atomic {
                (open1 > 0) -> open1 = 0;
                for (t : TASKS + 1 .. ALL) {
                        if
                        :: open[t] -> open[t] = 0; told!t
                        :: !open[t]
                        fi
                }
                t = 0
        }
        :: ends == ALL -> break
        od
}

init {
        atomic {
                run Starter(0);
                run Starter(1);
                run Hearer();
                run Worker();
                run Failer()
        }
}

ltl ends { <> (ends == ALL) }
