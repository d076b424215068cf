/* A bounded queue: a ring (FIFO), a stack (LIFO) or a heap (PRIORITY) of item slots under one guard. An item that is put while
 * somebody waits to get goes straight into that one's place; room that comes while somebody waits to put is filled from that
 * one's place. So items never lie there while a getter waits, and nobody overtakes a putter that waits. */
#include "plait/queue.h"

#include <errno.h>
#include <string.h>

#include "base/panic.h"
#include "base/sys.h"
#include "core/strand.h"
#include "sync/select.h"
#include "sync/waiters.h"

enum { FIRST_SLOTS = 16 };

struct plait_queue {
        plait__spin guard;                      /* of all below */
        bool shut;
        plait_order order;
        size_t item_size, stride;               /* a heap's slots have the item's number after it */
        size_t capacity, slots;                 /* slots: what there is memory for; grows to capacity */
        _Atomic size_t count;                   /* read without the guard by plait_queue_size() */
        size_t first;                           /* ring: where the oldest is */
        uint64_t number;                        /* heap: of the next item, so that equals keep their order */
        unsigned char *items;
        size_t unfinished;                      /* put, and not yet told done */
        struct plait__link getters, putters, joiners;
};

/* ---- the storage; with the guard held */

static unsigned char *slot(const plait_queue *queue, size_t index)
{
        return queue->items + index * queue->stride;
}

static void copy(const plait_queue *queue, void *to, const void *from)
{
        if (queue->item_size == sizeof(void *))
                memcpy(to, from, sizeof(void *));       /* the usual item: one move */
        else
                memcpy(to, from, queue->item_size);
}

static uint64_t number_at(const plait_queue *queue, size_t index)
{
        uint64_t number;

        memcpy(&number, slot(queue, index) + queue->stride - sizeof number, sizeof number);
        return number;
}

static bool heap_before(const plait_queue *queue, size_t a, size_t b)
{
        int priority_a, priority_b;

        memcpy(&priority_a, slot(queue, a), sizeof priority_a);
        memcpy(&priority_b, slot(queue, b), sizeof priority_b);
        if (priority_a != priority_b)
                return priority_a < priority_b;
        return number_at(queue, a) < number_at(queue, b);
}

static void heap_swap(const plait_queue *queue, size_t a, size_t b)
{
        unsigned char *x = slot(queue, a), *y = slot(queue, b), byte;
        size_t i;

        for (i = 0; i < queue->stride; i++) {
                byte = x[i];
                x[i] = y[i];
                y[i] = byte;
        }
}

static void heap_push(plait_queue *queue, const void *item, size_t count)
{
        size_t at = count;

        memcpy(slot(queue, at), item, queue->item_size);
        memcpy(slot(queue, at) + queue->stride - sizeof queue->number, &queue->number, sizeof queue->number);
        queue->number++;
        for (; at > 0 && heap_before(queue, at, (at - 1) / 2); at = (at - 1) / 2)
                heap_swap(queue, at, (at - 1) / 2);
}

static void heap_pop(plait_queue *queue, void *item, size_t count)
{
        size_t at = 0, child;

        memcpy(item, slot(queue, 0), queue->item_size);
        memmove(slot(queue, 0), slot(queue, count - 1), queue->stride);
        count--;
        while ((child = at * 2 + 1) < count) {
                if (child + 1 < count && heap_before(queue, child + 1, child))
                        child++;
                if (!heap_before(queue, child, at))
                        return;
                heap_swap(queue, at, child);
                at = child;
        }
}

/* Twice the slots, oldest first; -ENOMEM leaves all as it was. */
static int grow(plait_queue *queue)
{
        size_t slots = queue->slots * 2, head;
        unsigned char *items;

        if (slots > queue->capacity)
                slots = queue->capacity;
        if (slots > SIZE_MAX / queue->stride)
                return -ENOMEM;
        items = plait__sys.alloc(slots * queue->stride);
        if (!items)
                return -ENOMEM;
        head = queue->slots - queue->first;
        memcpy(items, slot(queue, queue->first), head * queue->stride);
        memcpy(items + head * queue->stride, queue->items, queue->first * queue->stride);
        plait__sys.free(queue->items);
        queue->items = items;
        queue->slots = slots;
        queue->first = 0;
        return 0;
}

static int store(plait_queue *queue, const void *item)
{
        size_t count = plait__load(&queue->count), index;

        if (count == queue->slots && grow(queue) < 0)
                return -ENOMEM;
        if (queue->order == PLAIT_PRIORITY) {
                heap_push(queue, item, count);
        } else {
                index = queue->first + count;
                copy(queue, slot(queue, index < queue->slots ? index : index - queue->slots), item);
        }
        plait__store(&queue->count, count + 1);
        return 0;
}

static void fetch(plait_queue *queue, void *item)
{
        size_t count = plait__load(&queue->count), index;

        if (queue->order == PLAIT_PRIORITY) {
                heap_pop(queue, item, count);
        } else if (queue->order == PLAIT_LIFO) {
                index = queue->first + count - 1;
                copy(queue, item, slot(queue, index < queue->slots ? index : index - queue->slots));
        } else {
                copy(queue, item, slot(queue, queue->first));
                if (++queue->first == queue->slots)
                        queue->first = 0;
        }
        plait__store(&queue->count, count - 1);
}

/* ---- putting and getting; with the guard held, which is left on every return */

/* What a waiter is told is in its `object`: 0 or a negative errno. */
static void grant_with(struct plait__strand *strand, int rc)
{
        strand->object = (void *)(intptr_t)rc;
        plait__grant(strand);
}

static int put_now(plait_queue *queue, const void *item)
{
        struct plait__strand *getter = NULL;
        int rc = 0;

        if (queue->shut) {
                rc = -EPIPE;
        } else if ((getter = plait__waiters_pop(&queue->getters))) {
                copy(queue, getter->slot, item);
                queue->unfinished++;
        } else if (plait__load(&queue->count) == queue->capacity) {
                rc = -EAGAIN;
        } else {
                rc = store(queue, item);
                queue->unfinished += rc == 0;
        }
        plait__spin_release(&queue->guard);
        if (getter)
                grant_with(getter, 0);
        return rc;
}

static int get_now(plait_queue *queue, void *item)
{
        struct plait__strand *putter;

        if (plait__load(&queue->count) == 0) {
                int rc = queue->shut ? -EPIPE : -EAGAIN;

                plait__spin_release(&queue->guard);
                return rc;
        }
        fetch(queue, item);
        putter = plait__waiters_pop(&queue->putters);
        if (putter) {
                (void)store(queue, putter->slot);       /* into the room just made: it cannot fail */
                queue->unfinished++;
        }
        plait__spin_release(&queue->guard);
        if (putter)
                grant_with(putter, 0);
        return 0;
}

static int wait_in(plait_queue *queue, struct plait__link *waiters, struct plait__strand *strand, void *item)
{
        int rc;

        strand->slot = item;
        strand->object = queue;
        plait__waiters_add(waiters, strand);
        plait__spin_release(&queue->guard);
        rc = plait__wait_granted(strand, PLAIT__ON_QUEUE, PLAIT_FOREVER);
        if (rc < 0) {
                plait__spin_acquire(&queue->guard);
                if (plait__waiters_leave(strand)) {
                        plait__spin_release(&queue->guard);
                        return rc;
                }
                plait__spin_release(&queue->guard);
                plait__wait_uncancelled(strand, PLAIT__ON_QUEUE);       /* what was handed over is not thrown away */
        }
        return (int)(intptr_t)strand->object;
}

int plait_queue_put(plait_queue *queue, const void *item)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc;

        if (plait__unlikely(!strand))
                return -ENOMEM;
        rc = plait__enter(strand);
        if (plait__unlikely(rc < 0))
                return rc;
        plait__spin_acquire(&queue->guard);
        if (!queue->shut && plait__load(&queue->count) == queue->capacity)
                return wait_in(queue, &queue->putters, strand, (void *)(uintptr_t)item);
        return put_now(queue, item);
}

int plait_queue_get(plait_queue *queue, void *item)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc;

        if (plait__unlikely(!strand))
                return -ENOMEM;
        rc = plait__enter(strand);
        if (plait__unlikely(rc < 0))
                return rc;
        plait__spin_acquire(&queue->guard);
        if (!queue->shut && plait__load(&queue->count) == 0)
                return wait_in(queue, &queue->getters, strand, item);
        return get_now(queue, item);
}

int plait_queue_try_put(plait_queue *queue, const void *item)
{
        plait__not_forked(__func__);
        plait__point_here();
        plait__spin_acquire(&queue->guard);
        return put_now(queue, item);
}

int plait_queue_try_get(plait_queue *queue, void *item)
{
        plait__not_forked(__func__);
        plait__point_here();
        plait__spin_acquire(&queue->guard);
        return get_now(queue, item);
}

size_t plait_queue_size(const plait_queue *queue)
{
        plait__not_forked(__func__);
        plait__point_here();
        return plait__load(&queue->count);
}

/* ---- cases of a select */

static bool can_get(const plait_queue *queue)
{
        return queue->shut || plait__load(&queue->count);
}

static bool can_put(const plait_queue *queue)
{
        return queue->shut || plait__load(&queue->count) < queue->capacity;
}

/* With the guard held, which is left if the case is not to be taken. A put that is claimed has room, so it never has to be taken
 * back because a getter that waits for it cannot be claimed. */
static enum plait__look look(plait_queue *queue, bool ready, struct plait__link *waiters, void *item, struct plait__registration *joins)
{
        enum plait__look result = PLAIT__LOOK_TAKEN;

        if (!ready) {
                if (joins) {
                        joins->slot = item;
                        plait__registration_add(waiters, joins);
                }
                result = PLAIT__LOOK_WAITS;
        } else if (joins && !plait__registration_claim(joins)) {
                result = PLAIT__LOOK_LOST;
        }
        if (result != PLAIT__LOOK_TAKEN)
                plait__spin_release(&queue->guard);
        return result;
}

static enum plait__look look_get(void *object, void *item, struct plait__registration *joins, int *ret)
{
        plait_queue *queue = object;
        enum plait__look result;

        plait__spin_acquire(&queue->guard);
        result = look(queue, can_get(queue), &queue->getters, item, joins);
        if (result == PLAIT__LOOK_TAKEN)
                *ret = get_now(queue, item);
        return result;
}

static enum plait__look look_put(void *object, void *item, struct plait__registration *joins, int *ret)
{
        plait_queue *queue = object;
        enum plait__look result;

        plait__spin_acquire(&queue->guard);
        result = look(queue, can_put(queue), &queue->putters, item, joins);
        if (result == PLAIT__LOOK_TAKEN)
                *ret = put_now(queue, item);
        return result;
}

static void leave(struct plait__registration *registration)
{
        plait_queue *queue = registration->object;

        plait__spin_acquire(&queue->guard);
        plait__registration_remove(registration);
        plait__spin_release(&queue->guard);
}

static int outcome(const struct plait__strand *strand)
{
        return (int)(intptr_t)strand->object;
}

const struct plait__selectable plait__queue_gets = {look_get, leave, outcome};
const struct plait__selectable plait__queue_puts = {look_put, leave, outcome};

/* ---- joining and shutting down */

/* With the guard held, which is let go for each: wakes all of a list. */
static void wake_all(plait_queue *queue, struct plait__link *waiters, int rc)
{
        struct plait__strand *strand;
        struct plait__link all;

        plait__waiters_take(waiters, &all);
        while ((strand = plait__waiters_pop(&all))) {
                plait__spin_release(&queue->guard);
                grant_with(strand, rc);
                plait__spin_acquire(&queue->guard);
        }
        plait__waiters_put_back(waiters, &all);
}

void plait_queue_task_done(plait_queue *queue)
{
        plait__not_forked(__func__);
        plait__point_here();
        plait__spin_acquire(&queue->guard);
        if (queue->unfinished == 0)
                plait__panic(__func__, "called more often than items were put");
        if (--queue->unfinished == 0)
                wake_all(queue, &queue->joiners, 0);
        plait__spin_release(&queue->guard);
}

int plait_queue_join(plait_queue *queue)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc;

        if (!strand)
                return -ENOMEM;
        rc = plait__enter(strand);
        if (rc < 0)
                return rc;
        plait__spin_acquire(&queue->guard);
        if (queue->unfinished)
                return wait_in(queue, &queue->joiners, strand, NULL);
        plait__spin_release(&queue->guard);
        return 0;
}

void plait_queue_shutdown(plait_queue *queue, bool immediate)
{
        plait__not_forked(__func__);
        plait__point_here();
        plait__spin_acquire(&queue->guard);
        queue->shut = true;
        if (immediate) {
                queue->unfinished -= plait__load(&queue->count);
                plait__store(&queue->count, 0);
                queue->first = 0;
                if (queue->unfinished == 0)
                        wake_all(queue, &queue->joiners, 0);
        }
        wake_all(queue, &queue->getters, -EPIPE);
        wake_all(queue, &queue->putters, -EPIPE);
        plait__spin_release(&queue->guard);
}

/* ---- making and freeing */

int plait_queue_new(plait_queue **ret, size_t item_size, size_t capacity, plait_order order)
{
        plait_queue *queue;

        plait__not_forked(__func__);
        if (item_size == 0 || capacity == 0 || (order == PLAIT_PRIORITY && item_size < sizeof(int)) ||
            (order != PLAIT_FIFO && order != PLAIT_LIFO && order != PLAIT_PRIORITY))
                return -EINVAL;
        if (item_size > SIZE_MAX / 2)
                return -ENOMEM;
        queue = plait__sys.alloc(sizeof *queue);
        if (!queue)
                return -ENOMEM;
        queue->order = order;
        queue->item_size = item_size;
        queue->stride = item_size + (order == PLAIT_PRIORITY ? sizeof queue->number : 0);
        queue->capacity = capacity;
        queue->slots = capacity == SIZE_MAX ? FIRST_SLOTS : capacity;   /* a bounded queue never needs memory later */
        if (queue->slots > SIZE_MAX / queue->stride || !(queue->items = plait__sys.alloc(queue->slots * queue->stride))) {
                plait__sys.free(queue);
                return -ENOMEM;
        }
        *ret = queue;
        return 0;
}

void plait_queue_free(plait_queue *queue)
{
        plait__not_forked(__func__);
        if (!queue)
                return;
        if (!plait__list_empty(&queue->getters) || !plait__list_empty(&queue->putters) || !plait__list_empty(&queue->joiners))
                plait__panic(__func__, "a strand waits on the queue");
        plait__sys.free(queue->items);
        plait__sys.free(queue);
}
