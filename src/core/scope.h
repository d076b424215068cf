/* Scopes: what a deadline and a cancel belong to. A scope is either a block's (PLAIT_WITHIN, PLAIT_SHIELD) or a group's own;
 * it lies in the caller's memory, over the private words of plait_scope and plait_group. A strand's scopes form a chain
 * from the innermost outwards; below the outermost comes the strand's task (its own cancel and deadline), then the scope of
 * its group, and so on along the group's owner.
 *
 * Deadlines reach inwards by value: each scope and strand knows the earliest deadline that holds for it, and a parked strand
 * arms its own timer. Cancels reach inwards by being looked for, along the chain, on entry to each waiting call; parked
 * strands below a scope that is cancelled are woken so that they look (task/cancel.c). */
#ifndef PLAIT__SCOPE_H
#define PLAIT__SCOPE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "plait/base.h"
#include "plait/group.h"
#include "plait/scope.h"

struct plait__loop;
struct plait__strand;

/* What the word `cancelled` holds. The last is a drain deadline: the tasks are told of a time-out. */
enum plait__cancel { PLAIT__CANCEL_NONE, PLAIT__CANCEL_QUIET, PLAIT__CANCEL_FAILURE, PLAIT__CANCEL_OUTER, PLAIT__CANCEL_TIMEOUT };

enum plait__scope_kind { PLAIT__SCOPE_BLOCK = 1, PLAIT__SCOPE_SHIELD, PLAIT__SCOPE_GROUP };

struct plait__scope {
        struct plait__scope *_Atomic parent;    /* on the same strand; NULL: the strand's task comes next. This and reach are
                                                 * read by tasks on other threads while a scope further out is left: relaxed */
        struct plait__strand *owner;            /* NULL: a detached group's, where every chain ends */
        plait_time deadline;                    /* its own */
        _Atomic plait_time reach;               /* the earliest that holds inside it */
        _Atomic uint32_t cancelled;             /* enum plait__cancel; set once, by any thread; no data hangs on it */
        uint8_t kind;
        _Atomic uint8_t group_state;                  /* the rest is a group's: task/group.h */
        bool group_local;
        _Atomic uint8_t group_flags;
} __attribute__((may_alias));                  /* it lies over the words of a public type */

_Static_assert(sizeof(struct plait__scope) <= sizeof(plait_scope), "the public type has room for the real one");

/* How many scopes and tasks are cancelled just now, in the whole process: while it is 0, which is nearly always, nobody need
 * look along a chain. Counted before the mark is set. */
extern PLAIT_API _Atomic uint32_t plait__cancels;

/* Marks a scope, or a strand's task; false: it was marked before. */
bool plait__scope_cancel(struct plait__scope *scope, enum plait__cancel how);
bool plait__strand_cancel(struct plait__strand *strand);

/* The mark goes with what bears it. */
void plait__scope_uncancel(struct plait__scope *scope);
void plait__strand_uncancel(struct plait__strand *strand);

/* A group's own scope is the first of its private words. */
static inline struct plait__scope *plait__group_scope(const plait_group *group)
{
        return (struct plait__scope *)(uintptr_t)group->private_;
}

/* A task begins: the deadline of its group, and its own, hold for it. */
void plait__scope_begin_task(struct plait__strand *strand);

/* The scope becomes the innermost of the strand. */
void plait__scope_push(struct plait__strand *strand, struct plait__scope *scope, enum plait__scope_kind kind, plait_time deadline);

/* It is taken out of the chain, from wherever it stands; false: it is not there. */
bool plait__scope_remove(struct plait__strand *strand, struct plait__scope *scope);

/* What has ended around the strand: 0, -ETIMEDOUT or -ECANCELED, decided by the outermost ended scope. `skip` (or NULL) is
 * not looked at. Exact: reads the clock when a deadline holds. */
int plait__scope_state(struct plait__strand *strand, const struct plait__scope *skip);

/* Likewise at that moment, of a strand of any thread that cannot leave the call in which it waits. */
int plait__scope_state_at(struct plait__strand *strand, plait_time now);

/* Likewise, from a scope of that strand outwards; strand and scope may be NULL. */
int plait__scope_state_from(struct plait__loop *loop, struct plait__strand *strand, const struct plait__scope *scope);

/* The earliest deadline that holds for the strand when `skip` is left out. */
plait_time plait__scope_reach(const struct plait__strand *strand, const struct plait__scope *skip);

#endif
