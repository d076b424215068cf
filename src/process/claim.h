/* The claim word: the only truth about a piece of work, a task or a chunk of a map. Work is claimed, not taken out of
 * anything, so there is nothing to repair when a worker dies: its words say what it had, and how far it was.
 *
 *      gen 16 | owner 12 | flags 4 | progress 32
 *
 * A word without owner and flags is open: a worker claims it by one compare-and-swap. The generation goes up each time that
 * the record is used again, so that a worker which comes late claims nothing. Owners are slots + 1; the parent is one too: what
 * it claims never runs. (Owners had 8 bits in the prototype: 255 own processes at once were too few.) */
#ifndef PLAIT__CLAIM_H
#define PLAIT__CLAIM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { PLAIT__OWNER_BITS = 12, PLAIT__OWNER_PARENT = (1 << PLAIT__OWNER_BITS) - 1, PLAIT__SLOTS_MAX = PLAIT__OWNER_PARENT - 1 };

#define PLAIT__IN_FN ((uint64_t)1 << 32)        /* the function is running (of a chunk: on item `progress`) */
#define PLAIT__DONE ((uint64_t)1 << 33)         /* nobody changes the word any more, nor what hangs on it */
#define PLAIT__CONDEMNED ((uint64_t)1 << 34)    /* the parent is about to kill the owner, who must not go on */

static inline uint64_t plait__claim_open(uint16_t gen, uint32_t progress)
{
        return (uint64_t)gen << 48 | progress;
}

static inline uint64_t plait__claim_owned(uint64_t word, unsigned owner)
{
        return word | (uint64_t)owner << 36;
}

static inline uint16_t plait__claim_gen(uint64_t word)
{
        return (uint16_t)(word >> 48);
}

static inline unsigned plait__claim_owner(uint64_t word)
{
        return (unsigned)(word >> 36) & PLAIT__OWNER_PARENT;
}

static inline uint32_t plait__claim_progress(uint64_t word)
{
        return (uint32_t)word;
}

static inline bool plait__claim_swap(_Atomic uint64_t *word, uint64_t from, uint64_t to)
{
        /* acquire: what the parent, or the owner before, wrote for this word; release: what we did */
        return atomic_compare_exchange_strong_explicit(word, &from, to, memory_order_acq_rel, memory_order_relaxed);
}

#endif
