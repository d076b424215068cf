/* Two intrusive lists: a ring with a header (unlink anywhere) and a queue that is one pointer to its last link. */
#ifndef PLAIT__LIST_H
#define PLAIT__LIST_H

#include <stdbool.h>
#include <stddef.h>

#define plait__container(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

struct plait__link { struct plait__link *next, *prev; };

/* A zeroed header is an empty list. */
static inline bool plait__list_empty(const struct plait__link *list)
{
        return !list->next || list->next == list;
}

static inline void plait__list_append(struct plait__link *list, struct plait__link *link)
{
        if (!list->next)
                list->next = list->prev = list;
        link->next = list;
        link->prev = list->prev;
        list->prev->next = link;
        list->prev = link;
}

static inline void plait__list_remove(struct plait__link *link)
{
        link->prev->next = link->next;
        link->next->prev = link->prev;
        link->next = link->prev = NULL;
}

static inline struct plait__link *plait__list_first(const struct plait__link *list)
{
        return plait__list_empty(list) ? NULL : list->next;
}

#endif
