/* The claim word of a task in a process pool: what a worker's death at any step leaves.
 *
 * Stands for: src/process/claim.h; take_task() and run_claimed() of src/process/worker.c; plait__pool_offer(),
 * plait__job_revoke(), plait__job_kill(), recover_task() of src/process/pool.c; claim_ended(), plait__job_told() of tasks.c;
 * worker_died() and plait__server_died() of nursery.c; the bits of port.c.
 *
 * The parent posts TASKS tasks through JOBS records and hears of their ends. Two workers claim and run; DEATHS times one of them is
 * killed from outside, after any of its steps; or (SERVER) the fork server dies, and then its workers do, each some time
 * later. With CANCEL the first task is cancelled at any time: revoked if nobody has claimed it, else its worker is condemned and
 * killed. The monitor recovers what the dead had, and starts them again.
 *
 * Assumes: sequential consistency. What the parent does with the region locked is one step, but for the stores that workers see. In
 * the C every change of a word is acq_rel: the struct's bytes and the result are written before DONE; the bit of an
 * ended job is released before the summary. A process that is dead changes nothing any more: who is killed may take more steps
 * until then.
 *
 * property safety: each task has one outcome, and runs at most once: ok, and it ran; dead or killed, and its worker died in it; revoked,
 *                  and it never ran; nobody touches a record that is another task's by now; no deadlock
 * property ends:   under weak fairness every task has its outcome
 *
 * bug 1 (safety): a worker looks at the word and then stores its claim, instead of a compare-and-swap
 * bug 2 (safety): the word has no generation: who comes late with an old entry claims the next task of the record
 * bug 3 (safety -DDEATHS=0 -DSERVER=1): when the server has died its workers' tasks are given up without waiting for their deaths
 * bug 4 (safety): a death between DONE and the telling is not made good
 * bug 5 (safety -DDEATHS=0 -DCANCEL=1): a worker ends its task by a store: it goes on condemned, and its next task is killed
 * bug 6 (safety): an end that is told twice is heard twice
 *
 * small: -DTASKS=2 -DJOBS=1 -DDEATHS=1
 * small safety: -DTASKS=2 -DJOBS=1 -DDEATHS=1 -DCANCEL=1
 * small safety: -DTASKS=2 -DJOBS=1 -DDEATHS=0 -DSERVER=1
 * small safety: -DTASKS=2 -DJOBS=2 -DDEATHS=1
 * large: -DTASKS=3 -DJOBS=1 -DDEATHS=1 -DCANCEL=1
 * large safety: -DTASKS=3 -DJOBS=2 -DDEATHS=2 -DCANCEL=1
 * large safety: -DTASKS=3 -DJOBS=2 -DDEATHS=0 -DSERVER=1 -DCANCEL=1
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef TASKS
#define TASKS 2
#endif
#ifndef JOBS
#define JOBS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef SERVER
#define SERVER 0
#endif
#ifndef CANCEL
#define CANCEL 0
#endif
#define WORKERS 2
#define PARENT 9
/* A word: owner 4 bits, flags 3, generation 3. */
#define IN_FN 16
#define DONE 32
#define CONDEMNED 64
#define OWNER(word) ((word) & 15)
#if BUG == 2
#define GEN(g) 0
#else
#define GEN(g) ((g) * 128)
#endif
#define OK 1
#define DEAD 2
#define KILLED 3
#define REVOKED 4

short word[JOBS];
byte gen[JOBS], result[JOBS], task_of[JOBS];    /* task_of: 0, nobody waits for this job any more */
bit used[JOBS], died[JOBS], told[JOBS];
byte bytes[JOBS];                       /* whose struct is in the record; kept until the next is posted */

byte ring_job[TASKS + 1], ring_gen[TASKS + 1];
byte head, tail;

bit killed[WORKERS + 1], gone[WORKERS + 1], up[WORKERS + 1];
bit doomed[WORKERS + 1];                /* it was sent a signal, and has not died of it yet */
bit server_died;
byte deaths = DEATHS;

byte ran[TASKS + 1], outcome[TASKS + 1];
byte ended;
bit cancelled;

/* ---- workers */

proctype Worker(byte me)
{
        byte h, j, g;
        short open;
        bit won;

again:  (up[me] || ended == TASKS);
        {
                do
                :: atomic {                     /* an entry stands as long as the head is not past it */
                        head != tail -> h = head; j = ring_job[h]; g = ring_gen[h]; open = GEN(g) };
#if BUG == 1
                        won = (word[j] == open);
                        if
                        :: won -> word[j] = open | me | IN_FN
                        :: !won
                        fi;
#else
                        atomic {
                                won = (word[j] == open);
                                if
                                :: won -> word[j] = open | me | IN_FN
                                :: !won
                                fi
                        };
#endif
                        atomic {
                                if
                                :: head == h -> head = h + 1
                                :: head != h
                                fi;
                                h = 0
                        };
                        if
                        :: won ->
                                atomic {
                                        assert(gen[j] == g && task_of[j] == bytes[j]);
                                        ran[bytes[j]]++;
                                        assert(ran[bytes[j]] == 1)
                                };
                                atomic { assert(gen[j] == g && bytes[j]); result[j] = OK };
#if BUG == 5
                                word[j] = open | me | DONE;
#else
                                if
                                :: atomic { word[j] == (open | me | IN_FN) -> word[j] = open | me | DONE }
                                :: word[j] != (open | me | IN_FN) -> false      /* so be it: it is about to be killed */
                                fi;
#endif
                                atomic { told[j] = 1; won = 0; j = 0; g = 0; open = 0 }
                        :: !won -> atomic { j = 0; g = 0; open = 0 }
                        fi
                :: ended == TASKS -> goto finished
                od
        } unless { killed[me] && up[me] };
        atomic { h = 0; j = 0; g = 0; open = 0; won = 0; up[me] = 0; gone[me] = 1 };
        goto again;
finished:
        skip
}

/* From outside, and when the server has died. */
proctype Killer()
{
#if SERVER
        if
        :: server_died = 1;
                atomic { if :: up[1] -> killed[1] = 1 :: !up[1] fi };
                atomic { if :: up[2] -> killed[2] = 1 :: !up[2] fi }
        :: skip
        fi
#else
        do
        :: deaths > 0 -> atomic { deaths--; if :: up[1] -> killed[1] = 1 :: up[2] -> killed[2] = 1 fi }
        :: break
        od
#endif
}

/* ---- the parent */

/* With the region locked. The word says open before the entry is on the ring. */
inline post(t, j)
{
        used[j] = 1;
        died[j] = 0;
        bytes[j] = t;
        task_of[j] = t;
        word[j] = GEN(gen[j]);
        ring_job[tail] = j;
        ring_gen[tail] = gen[j];
        tail++
}

proctype Poster()
{
        byte t, j;

        for (t : 1 .. TASKS) {
                atomic {
#if JOBS == 1
                        (!used[0]);
#else
                        (!used[0] || !used[1]);
                        if
                        :: used[0] -> j = 1
                        :: !used[0] -> j = 0
                        fi;
#endif
                        post(t, j)
                }
        }
}

/* plait__job_told(): finishes the task, if nobody has. */
proctype Hearer()
{
        byte j, t;

        do
        :: atomic { told[0] -> told[0] = 0; j = 0 };
                goto heard;
#if JOBS > 1
        :: atomic { told[1] -> told[1] = 0; j = 1 };
                goto heard;
#endif
        :: ended == TASKS -> break;
heard:          atomic {
                        t = (word[j] & DONE -> task_of[j] : 0);
#if BUG != 6
                        task_of[j] = (t -> 0 : task_of[j])
#endif
                };
                if
                :: t ->
                        atomic {
                                assert(bytes[j] == t);
                                outcome[t] = (result[j] == OK && died[j] -> DEAD : result[j]);
                                ended++;
                                assert(ended <= TASKS);
                                assert((outcome[t] == OK) <= (ran[t] == 1));
                                assert(outcome[t] != REVOKED || ran[t] == 0);
                                assert(outcome[t] == OK || outcome[t] == DEAD || t == 1);       /* nobody else was cancelled */
                                assert(outcome[t] != DEAD || deaths < DEATHS || server_died);
                                bytes[j] = 0;
                                gen[j]++;
                                used[j] = 0
                        }
                :: !t
                fi;
                atomic { j = 0; t = 0 }
        od
}

/* A cancel of task 1, with the region locked; who is killed goes on until the signal has come. */
proctype Canceller()
{
        byte j, w;

        atomic {
                do
                :: j < JOBS && task_of[j] != 1 -> j++
                :: j == JOBS || task_of[j] == 1 -> break
                od;
                if
                :: j < JOBS && word[j] == GEN(gen[j]) -> word[j] = GEN(gen[j]) | PARENT | IN_FN
                :: j < JOBS && word[j] != GEN(gen[j]) ->
                        if
                        :: !(word[j] & DONE) -> w = OWNER(word[j]); word[j] = word[j] | CONDEMNED; doomed[w] = 1; assert(w != PARENT)
                        :: word[j] & DONE
                        fi;
                        j = JOBS
                :: j == JOBS
                fi
        };
        if
        :: j < JOBS -> result[j] = REVOKED; word[j] = GEN(gen[j]) | PARENT | DONE; told[j] = 1
        :: j == JOBS
        fi;
        if
        :: w -> atomic { if :: doomed[w] -> killed[w] = 1 :: !doomed[w] fi }    /* that one, not who comes after it */
        :: !w
        fi;
        cancelled = 1
}

/* With the region locked. */
inline recover(w)
{
        for (j : 0 .. JOBS - 1) {
                if
                :: task_of[j] && OWNER(word[j]) == w ->
                        if
                        :: !(word[j] & DONE) ->
                                result[j] = (word[j] & CONDEMNED -> KILLED : DEAD);
                                died[j] = 1;
                                word[j] = (word[j] & ~(IN_FN | CONDEMNED)) | DONE;
                                told[j] = 1
#if BUG == 4
                        :: word[j] & DONE
#else
                        :: word[j] & DONE -> told[j] = 1
#endif
                        fi
                :: else
                fi
        }
        j = 0
}

proctype Monitor()
{
        byte w, j;

        for (w : 1 .. WORKERS) {
                up[w] = 1
        }
        do
        :: atomic { gone[1] -> recover(1); gone[1] = 0; killed[1] = 0; doomed[1] = 0; up[1] = 1 }
        :: atomic { gone[2] -> recover(2); gone[2] = 0; killed[2] = 0; doomed[2] = 0; up[2] = 1 }
#if BUG == 3
        :: atomic { server_died -> server_died = 0; recover(1); recover(2) }
#endif
        :: ended == TASKS && cancelled -> break
        od
}

init {
        byte w;

        atomic {
                for (w : 1 .. WORKERS) {
                        run Worker(w)
                }
                run Killer();
                run Poster();
                run Hearer();
#if CANCEL
                run Canceller();
#else
                cancelled = 1;
#endif
                run Monitor();
                w = 0
        }
}

ltl ends { <> (ended == TASKS) }
