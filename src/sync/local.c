/* A strand's values are in one small hash table, found by its record. A task that inherits shares its starter's table; a table
 * that is shared changes no more: who sets a value then takes a copy first. So a start copies nothing, and a strand of no
 * values pays nothing.
 *
 * The table is shared whole. A slot says who has set it: a value that is not inherited is that strand's alone, and `end` is
 * its business for every value. Names are numbers that are never used again, so what is left of one that has gone is never
 * found; task ids are likewise. */
#include "plait/local.h"

#include <errno.h>

#include "base/sys.h"
#include "core/strand.h"
#include "sync/local.h"

enum { SLOTS_MIN = 4, END_ROUNDS = 4 };

#define INHERITED UINT64_C(1)                   /* in a name */

struct slot {
        uint64_t name;                          /* 0: free */
        uint64_t owner;                         /* the id of who has set it */
        void *value;
        void (*end)(void *value);
};

struct plait__locals {
        _Atomic uint32_t refs;                  /* strands that have it; 1: its strand may change it */
        uint32_t mask;                          /* slots - 1; a power of two */
        uint32_t used;                          /* slots with a name: always fewer than there are */
        bool passes_on;                         /* there are inherited ones among them */
        struct slot slots[];
};

/* A name's place on the struct: 0 until the first set, then for good. */
static _Atomic uint64_t *name_of(const plait_local *local)
{
        return (_Atomic uint64_t *)(uintptr_t)&local->private_[0];
}

static uint64_t name_for(plait_local *local)
{
        static _Atomic uint64_t names;
        uint64_t name = plait__load(name_of(local)), fresh;

        if (name)
                return name;
        fresh = (atomic_fetch_add_explicit(&names, 1, memory_order_relaxed) + 1) << 1 | (local->inherited ? INHERITED : 0);
        if (atomic_compare_exchange_strong_explicit(name_of(local), &name, fresh, memory_order_relaxed, memory_order_relaxed))
                return fresh;
        return name;                            /* another strand was first */
}

/* The slot of that name, or the free one where it would be. */
static struct slot *find(struct plait__locals *locals, uint64_t name)
{
        uint64_t at = name >> 1;

        while (locals->slots[at & locals->mask].name && locals->slots[at & locals->mask].name != name)
                at++;
        return &locals->slots[at & locals->mask];
}

static bool is_seen(const struct slot *slot, uint64_t id)
{
        return slot->value && (slot->name & INHERITED || slot->owner == id);
}

static void let_go(struct plait__locals *locals)
{
        /* release: our reading of it, for the strand that has it alone now; acquire: that of the others, before it goes */
        if (atomic_fetch_sub_explicit(&locals->refs, 1, memory_order_acq_rel) == 1)
                plait__sys.free(locals);
}

void *plait_local_get(const plait_local *local)
{
        struct plait__loop *loop = plait__loop_here;
        const struct plait_task *task;
        const struct slot *slot;
        uint64_t name;

        if (!loop) {
                plait__not_forked(__func__);
                return NULL;
        }
        task = plait__task_of(loop->current);
        name = plait__load(name_of(local));
        if (!name || !task->extra || !task->extra->locals)
                return NULL;
        slot = find(task->extra->locals, name);
        return is_seen(slot, task->id) ? slot->value : NULL;
}

/* ---- setting */

/* What strand `id` sees of `locals` (or NULL), with room for two more; NULL: no memory. */
static struct plait__locals *copy(const struct plait__locals *locals, uint64_t id)
{
        uint32_t count = 2, slots = SLOTS_MIN, i;
        struct plait__locals *ret;

        for (i = 0; locals && i <= locals->mask; i++)
                count += is_seen(&locals->slots[i], id);
        while (slots <= count + count / 4)
                slots *= 2;
        ret = plait__sys.alloc(sizeof *ret + slots * sizeof ret->slots[0]);
        if (!ret)
                return NULL;
        plait__store(&ret->refs, 1);
        ret->mask = slots - 1;
        for (i = 0; locals && i <= locals->mask; i++) {
                if (!is_seen(&locals->slots[i], id))
                        continue;
                *find(ret, locals->slots[i].name) = locals->slots[i];
                ret->used++;
                ret->passes_on |= locals->slots[i].name & INHERITED;
        }
        return ret;
}

/* The task's table, to be changed: with a slot of that name, or room for it. NULL: no memory. */
static struct plait__locals *table_for(struct plait_task *task, uint64_t name)
{
        struct plait__extra *extra = plait__record_extra(task);
        struct plait__locals *locals, *fresh;

        if (!extra)
                return NULL;
        locals = extra->locals;
        /* acquire: those who shared it have done reading */
        if (locals && plait__load_acquire(&locals->refs) == 1 &&
            (find(locals, name)->name || (locals->used + 1) * 4 <= (locals->mask + 1) * 3))
                return locals;
        fresh = copy(locals, task->id);
        if (!fresh)
                return NULL;
        if (locals)
                let_go(locals);
        extra->locals = fresh;
        return fresh;
}

int plait_local_set(plait_local *local, void *value)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        struct plait__locals *locals;
        struct plait_task *task;
        struct slot *slot;
        uint64_t name;

        if (!strand || !local)
                return strand ? -EINVAL : -ENOMEM;
        if (!value && !plait_local_get(local))
                return 0;
        task = plait__task_of(strand);
        name = name_for(local);
        locals = table_for(task, name);
        if (!locals)
                return -ENOMEM;
        slot = find(locals, name);
        locals->used += slot->name == 0;
        locals->passes_on |= name & INHERITED;
        *slot = (struct slot){name, task->id, value, local->end};
        return 0;
}

/* ---- a task begins, a strand ends */

int plait__local_inherit_slow(struct plait__locals *locals, struct plait_task *to)
{
        struct plait__extra *extra;

        if (!locals->passes_on)
                return 0;
        extra = plait__record_extra(to);
        if (!extra)
                return -ENOMEM;
        atomic_fetch_add_explicit(&locals->refs, 1, memory_order_relaxed);
        extra->locals = locals;
        return 0;
}

static void end_values(const struct plait__locals *locals, uint64_t id)
{
        uint32_t i;

        for (i = 0; i <= locals->mask; i++) {
                const struct slot *slot = &locals->slots[i];

                if (slot->value && slot->owner == id && slot->end)
                        slot->end(slot->value);
        }
}

/* The ends may set values anew, which are ended in turn; not for ever. */
static void end(struct plait_task *task)
{
        struct plait__locals *locals;
        int round;

        for (round = 0; (locals = task->extra->locals); round++) {
                task->extra->locals = NULL;
                if (round < END_ROUNDS)
                        end_values(locals, task->id);
                let_go(locals);
        }
}

__attribute__((constructor)) static void join_core(void)
{
        plait__locals_end = end;
}
