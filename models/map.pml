/* A map in worker processes: chunks are claimed by words, a cursor says where to look, tallies count; any worker may die at any
 * step, and so may the fork server.
 *
 * Stands for: claim_chunk(), run_chunk(), set_word() and note_failure() of src/process/worker_map.c; plait__map_recover(),
 * chunk_back(), item_died(), stop(), ended() and wait_for_end() of src/process/map.c; worker_died() and plait__server_died() of
 * nursery.c.
 *
 * A map of CHUNKS chunks of ITEMS items. Two workers claim; DEATHS times one is killed after any of its steps, or (SERVER) the
 * server dies and both do, each some time later. Items of dead workers are run again RETRIES times. With FAILS the first item
 * fails, which stops the map: what nobody has claimed is then closed by the parent. The monitor recovers what the dead had and starts
 * them again; the caller waits until the tallies make up all chunks.
 *
 * Assumes: sequential consistency. What the parent does with the region locked is one step, but for the words, which it changes one
 * after the other while workers run. In the C a claim is acq_rel, an owner's store of its word and of its tally a release:
 * results are written before. The waiting strand's wake-ups are not modelled: it looks again at every change.
 *
 * property safety: an item runs at most once, but for RETRIES; when the map ends every chunk is done and nobody works on it any more,
 *                  and every item was run, died in, or is behind a stop; no deadlock
 * property ends:   under weak fairness the map ends
 *
 * bug 1 (safety): the cursor has no epoch: who read it before a recovery moves it past the chunks that went back
 * bug 2 (safety): the tally of a dead worker is not counted anew
 * bug 3 (safety -DDEATHS=0 -DSERVER=1): when the server has died its workers' chunks go back before they are dead
 * bug 4 (safety -DCHUNKS=1 -DITEMS=2): a chunk goes back from its beginning, not from its progress
 * bug 5 (safety -DFAILS=1): a recovery gives chunks back although the map was stopped, and nobody closes them
 *
 * small: -DCHUNKS=2 -DITEMS=1 -DDEATHS=1
 * small safety: -DCHUNKS=1 -DITEMS=2 -DDEATHS=1
 * small safety: -DCHUNKS=2 -DITEMS=1 -DDEATHS=1 -DFAILS=1
 * small safety: -DCHUNKS=1 -DITEMS=1 -DDEATHS=2 -DRETRIES=1
 * small safety: -DCHUNKS=2 -DITEMS=1 -DDEATHS=0 -DSERVER=1
 * large: -DCHUNKS=3 -DITEMS=1 -DDEATHS=1 -DFAILS=1
 * large safety: -DCHUNKS=2 -DITEMS=1 -DDEATHS=2 -DRETRIES=1
 * large safety: -DCHUNKS=3 -DITEMS=1 -DDEATHS=0 -DSERVER=1
 * large safety: -DCHUNKS=2 -DITEMS=2 -DDEATHS=1
 * large safety: -DCHUNKS=3 -DITEMS=2 -DDEATHS=1 -DRETRIES=1
 */
#ifndef BUG
#define BUG 0
#endif
#ifndef CHUNKS
#define CHUNKS 2
#endif
#ifndef ITEMS
#define ITEMS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef SERVER
#define SERVER 0
#endif
#ifndef FAILS
#define FAILS 0
#endif
#ifndef RETRIES
#define RETRIES 0
#endif
#define PARENT 9
/* A word: owner 4 bits, flags 2, progress. */
#define IN_FN 16
#define DONE 32
#define OWNER(word) ((word) & 15)
#define PROGRESS(word) ((word) / 64)
#define OPEN(progress) ((progress) * 64)
#define ITEM(chunk, progress) ((chunk) * ITEMS + (progress))
/* The cursor: epoch, chunk. */
#if BUG == 1
#define CURSOR(epoch, chunk) (chunk)
#else
#define CURSOR(epoch, chunk) ((epoch) * 8 + (chunk))
#endif
#define CHUNK(cursor) ((cursor) % 8)
#define EPOCH(cursor) ((cursor) / 8)

short word[CHUNKS];
byte cursor, tally[3], chunks_ended;
bit stop, stopped;
byte ran[CHUNKS * ITEMS], retried[CHUNKS * ITEMS];
bit dead_item[CHUNKS * ITEMS];

bit killed[3], gone[3], up[3], server_died;
byte deaths = DEATHS;
bit ended;

proctype Worker(byte me)
{
        byte c, k;
        short w;
        bit mine, inside;

again:  (up[me] || ended);
        {
                do
                :: !ended && (inside || !stop) && CHUNK(cursor) < CHUNKS ->     /* map_open(), once; then claim_chunk() */
                        inside = 1;
                        k = cursor;
                        if
                        :: CHUNK(k) >= CHUNKS -> skip
                        :: CHUNK(k) < CHUNKS ->
                                atomic { c = CHUNK(k); w = word[c] };
                                if
                                :: OWNER(w) == 0 ->
                                        atomic {
                                                if
                                                :: word[c] == w -> word[c] = w | me; w = w | me; mine = 1
                                                :: word[c] != w
                                                fi
                                        }
                                :: OWNER(w) != 0
                                fi;
                                if
                                :: mine || OWNER(w) != 0 ->     /* else it looks again */
                                        atomic { if :: cursor == k -> cursor = k + 1 :: cursor != k fi }
                                :: !mine && OWNER(w) == 0
                                fi
                        fi;
                        k = 0;
                        do                      /* run_chunk() */
                        :: mine && PROGRESS(w) < ITEMS && !stop ->
                                atomic { assert(!ended && word[c] == w); word[c] = w | IN_FN };
                                atomic {
                                        ran[ITEM(c, PROGRESS(w))]++;
                                        assert(ran[ITEM(c, PROGRESS(w))] <= 1 + RETRIES)
                                };
                                atomic { assert(!ended && word[c] == (w | IN_FN)); word[c] = w + OPEN(1); w = w + OPEN(1) };
                                if
                                :: FAILS && c == 0 && PROGRESS(w) == 1 -> stop = 1
                                :: else
                                fi
                        :: mine && (PROGRESS(w) == ITEMS || stop) ->
                                atomic { assert(!ended && word[c] == w); word[c] = w | DONE };
                                tally[me]++;
                                mine = 0;
                                break
                        :: !mine -> break
                        od;
                        atomic {
                                c = 0;
                                w = 0;
                                if
                                :: skip
                                :: inside = 0   /* single tasks go first */
                                fi
                        }
                :: inside && CHUNK(cursor) >= CHUNKS -> inside = 0
                :: ended -> goto finished
                od
        } unless { killed[me] };
        atomic { c = 0; k = 0; w = 0; mine = 0; inside = 0; up[me] = 0; gone[me] = 1 };
        goto again;
finished:
        skip
}

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

/* plait__map_recover(), with the region locked: word after word, while the other worker runs. */
inline recover(s)
{
        lowest = CHUNKS;
        done = 0;
        for (c : 0 .. CHUNKS - 1) {
                atomic {
                        w = word[c];
                        if
                        :: OWNER(w) == s && (w & DONE) -> done++
                        :: OWNER(w) == s && !(w & DONE) ->
                                p = PROGRESS(w);
                                if
                                :: w & IN_FN ->
                                        if
                                        :: retried[ITEM(c, p)] < RETRIES && !stop -> retried[ITEM(c, p)]++
                                        :: else -> dead_item[ITEM(c, p)] = 1; p++
                                        fi
                                :: !(w & IN_FN)
                                fi;
#if BUG == 4
                                p = (p == ITEMS -> p : 0);
#endif
                                if
#if BUG == 5
                                :: p == ITEMS ->
#else
                                :: p == ITEMS || stop ->
#endif
                                        word[c] = OPEN(p) | PARENT | DONE;
                                        chunks_ended++
                                :: else ->
                                        word[c] = OPEN(p);
                                        lowest = (lowest == CHUNKS -> c : lowest)
                                fi
                        :: OWNER(w) != s
                        fi;
                        w = 0;
                        p = 0
                }
        }
        c = 0;
#if BUG != 2
        tally[s] = done;
#endif
        if
        :: lowest < CHUNKS ->
                atomic { cursor = CURSOR(EPOCH(cursor) + 1, (lowest < CHUNK(cursor) -> lowest : CHUNK(cursor))) }
        :: lowest == CHUNKS
        fi;
        atomic { lowest = 0; done = 0 }
}

bit region;                             /* the lock */

proctype Monitor()
{
        byte c, p, lowest, done;
        short w;

        atomic { up[1] = 1; up[2] = 1 };
        do
        :: gone[1] -> atomic { !region -> region = 1 }; recover(1);
                atomic { region = 0; gone[1] = 0; killed[1] = 0; up[1] = 1 }
        :: gone[2] -> atomic { !region -> region = 1 }; recover(2);
                atomic { region = 0; gone[2] = 0; killed[2] = 0; up[2] = 1 }
#if BUG == 3
        :: server_died -> server_died = 0; recover(1); recover(2)
#endif
        :: ended -> break
        od
}

/* wait_for_end(). */
proctype Caller()
{
        byte c, i;

        do
        :: atomic { !region && chunks_ended + tally[1] + tally[2] >= CHUNKS -> ended = 1; break }
        :: stop && !stopped ->
                atomic { !region -> region = 1 };
                stopped = 1;
                for (c : 0 .. CHUNKS - 1) {
                        atomic {
                                if
                                :: OWNER(word[c]) == 0 -> word[c] = word[c] | PARENT | DONE; chunks_ended++
                                :: OWNER(word[c]) != 0
                                fi
                        }
                }
                atomic { c = 0; region = 0 }
        od;
        atomic {
                assert(chunks_ended + tally[1] + tally[2] == CHUNKS);
                for (c : 0 .. CHUNKS - 1) {
                        assert(word[c] & DONE);
                        for (i : 0 .. ITEMS - 1) {
                                assert(ran[ITEM(c, i)] || dead_item[ITEM(c, i)] || stop)
                        }
                }
                c = 0
        }
}

init {
        atomic {
                run Worker(1);
                run Worker(2);
                run Killer();
                run Monitor();
                run Caller()
        }
}

ltl ends { <> ended }
