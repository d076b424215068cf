/* Two selects that get from each other's queues: strand s gets from queue s or puts to queue 1 - s, ROUNDS times,
 * looking at the two in any order, with queues of one slot, full or empty at first. Who is through first shuts both
 * queues down. Beside select.pml, where what is done with a guard held is one step, the guards here are locks and
 * every access is a step of its own, so that guards and claims could lock each other out.
 *
 * As in src/task/select.c: first both cases are looked at with nothing registered; then each once more, with its
 * guard held, joining those who wait. A case that is ready then is claimed first: OPEN to 1 + the case. A waiter
 * that is popped, the other strand's registration, is claimed second, with the same guard held, and dropped if that
 * fails. Nobody waits for a claim, and one guard is held at a time.
 *
 * Assumes: sequential consistency.
 *
 * property safety: each select that is through took exactly one case; what was put was got or lies there; no deadlock
 * property ends:   under weak fairness both strands end
 *
 * bug 1 (safety): a select holds the guard of its first case while it looks at the second
 * bug 2 (safety): a select takes what is there without claiming its own word
 * bug 3 (safety): a granter does not look whether the claim succeeds
 *
 * small: -DROUNDS=2
 * large: -DROUNDS=3
 * / */
#ifndef BUG
#define BUG 0
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif

#define OPEN 0
#define GET 1                           /* from the queue of one's own number */
#define PUT 2                           /* to the other */

bit guard[2], shut[2];
byte items[2];
bit getter[2];                          /* the registration of strand q in the list of queue q; */
bit putter[2];                          /* that of strand 1 - q */
byte claim[2];
bit granted[2], pipe[2];
byte puts[2], gets[2];                  /* by queue */
byte ended;

inline acquire(q)
{
        atomic { !guard[q] -> guard[q] = 1 }
}

/* With the guard held: a registration, if it is there and its select can be claimed. */
inline pop_getter(q, s, what)
{
        other = false;
        if
        :: getter[q] ->
                getter[q] = 0;
                if
                :: atomic { claim[s] == OPEN -> claim[s] = what; other = true }
#if BUG == 3
                :: atomic { claim[s] != OPEN -> other = true }
#else
                :: claim[s] != OPEN
#endif
                fi
        :: !getter[q]
        fi
}

inline pop_putter(q, s, what)
{
        other = false;
        if
        :: putter[q] ->
                putter[q] = 0;
                if
                :: atomic { claim[s] == OPEN -> claim[s] = what; other = true }
#if BUG == 3
                :: atomic { claim[s] != OPEN -> other = true }
#else
                :: claim[s] != OPEN
#endif
                fi
        :: !putter[q]
        fi
}

/* `joins`: claims, or registers. */
inline claim_own(what)
{
        lost = false;
#if BUG != 2
        if
        :: !joins
        :: joins ->
                if
                :: atomic { claim[me] == OPEN -> claim[me] = what }
                :: claim[me] != OPEN -> lost = true
                fi
        fi
#endif
}

inline look_get()
{
        acquire(me);
        other = false;
        if
        :: items[me] || shut[me] ->
                claim_own(GET);
                if
                :: !lost && items[me] ->
                        items[me]--;
                        gets[me]++;
                        took++;
                        done = true;
                        pop_putter(me, 1 - me, PUT);
                        if
                        :: other -> items[me]++; puts[me]++
                        :: !other
                        fi
                :: !lost && !items[me] -> took++; piped = true; done = true
                :: lost
                fi
        :: !items[me] && !shut[me] ->
                if
                :: joins -> getter[me] = 1
                :: !joins
                fi
        fi;
#if BUG == 1
        if
        :: !done && !lost && !held -> held = true; held_queue = me
        :: else -> guard[me] = 0
        fi;
#else
        guard[me] = 0;
#endif
        if
        :: other -> granted[1 - me] = 1
        :: !other
        fi
}

inline look_put()
{
        acquire(1 - me);
        other = false;
        if
        :: !items[1 - me] || shut[1 - me] ->
                claim_own(PUT);
                if
                :: !lost && shut[1 - me] -> took++; piped = true; done = true
                :: !lost && !shut[1 - me] ->
                        took++;
                        done = true;
                        puts[1 - me]++;
                        pop_getter(1 - me, 1 - me, GET);
                        if
                        :: other -> gets[1 - me]++
                        :: !other -> items[1 - me]++
                        fi
                :: lost
                fi
        :: items[1 - me] && !shut[1 - me] ->
                if
                :: joins -> putter[1 - me] = 1
                :: !joins
                fi
        fi;
#if BUG == 1
        if
        :: !done && !lost && !held -> held = true; held_queue = 1 - me
        :: else -> guard[1 - me] = 0
        fi;
#else
        guard[1 - me] = 0;
#endif
        if
        :: other -> granted[1 - me] = 1
        :: !other
        fi
}

inline shut_down(q)
{
        acquire(q);
        shut[q] = 1;
        pop_getter(q, q, GET);
        if
        :: other -> pipe[q] = 1; granted[q] = 1
        :: !other
        fi;
        pop_putter(q, 1 - q, PUT);
        if
        :: other -> pipe[1 - q] = 1; granted[1 - q] = 1
        :: !other
        fi;
        guard[q] = 0
}

proctype Strand(bit me)
{
        byte round, took;
        bool other, done, lost, joins, piped;
        bit order;
#if BUG == 1
        bool held;
        bit held_queue;
#endif

        do
        :: round < ROUNDS && !piped ->
                claim[me] = OPEN;
                granted[me] = 0;
                took = 0;
                done = false;
                lost = false;
                joins = false;
                if
                :: order = 0
                :: order = 1
                fi;
again:          if
                :: order == 0 -> look_get()
                :: order == 1 -> look_put()
                fi;
                if
                :: !done && !lost ->
                        if
                        :: order == 0 -> look_put()
                        :: order == 1 -> look_get()
                        fi
                :: done || lost
                fi;
#if BUG == 1
                if
                :: held -> held = false; guard[held_queue] = 0
                :: !held
                fi;
#endif
                if
                :: !done && !lost && !joins -> joins = true; goto again
                :: done || lost || joins
                fi;
                if
                :: done
                :: !done -> granted[me]; took++
                fi;
                if
                :: joins ->
                        acquire(me);
                        getter[me] = 0;
                        guard[me] = 0;
                        acquire(1 - me);
                        putter[1 - me] = 0;
                        guard[1 - me] = 0
                :: !joins
                fi;
                assert(took == 1);
                assert(!done || !granted[me]);
                piped = piped || pipe[me];
                round++
        :: round == ROUNDS || piped -> break
        od;
        shut_down(0);
        shut_down(1);
        ended++
}

init {
        atomic {
                if
                :: true
                :: items[0] = 1; puts[0] = 1
                fi;
                if
                :: true
                :: items[1] = 1; puts[1] = 1
                fi;
                run Strand(0);
                run Strand(1)
        };
        ended == 2;
        assert(puts[0] == gets[0] + items[0]);
        assert(puts[1] == gets[1] + items[1])
}

ltl ends { <> (ended == 2) }
