/* What the tests of select share. */
#ifndef PLAIT_TEST_SELECT_H
#define PLAIT_TEST_SELECT_H

#include "tasks.h"

static inline plait_queue *make(size_t capacity)
{
        plait_queue *queue = NULL;

        CHECK_EQUAL(plait_queue_new(&queue, sizeof(int), capacity, PLAIT_FIFO), 0);
        return queue;
}

static inline plait_queue *make_full(int item)
{
        plait_queue *queue = make(1);

        CHECK_EQUAL(plait_queue_put(queue, &item), 0);
        return queue;
}

struct pair {
        plait_queue *a, *b;
        int item_a, item_b, taken, result;
};

static inline int get_either(void *arg)
{
        struct pair *pair = arg;
        plait_case cases[] = {PLAIT_GET(pair->a, &pair->item_a), PLAIT_GET(pair->b, &pair->item_b)};

        pair->taken = plait_select(cases, 2);
        if (pair->taken >= 0)
                pair->result = cases[pair->taken].result;
        return 0;
}

static inline int put_either(void *arg)
{
        struct pair *pair = arg;
        plait_case cases[] = {PLAIT_PUT(pair->a, &pair->item_a), PLAIT_PUT(pair->b, &pair->item_b)};

        pair->taken = plait_select(cases, 2);
        if (pair->taken >= 0)
                pair->result = cases[pair->taken].result;
        return 0;
}

static inline int get_one(void *arg)
{
        struct pair *pair = arg;

        pair->result = plait_queue_get(pair->a, &pair->item_a);
        return 0;
}

#endif
