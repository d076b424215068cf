#include "sync/waiters.h"

/* Of the moment at which something is handed over: what came before cuts the wait short, and nothing is handed over after that. */
static bool is_cut(struct plait__strand *strand)
{
        return !strand->insists && plait__scope_state_at(strand, strand->loop->seams.now(strand->loop)) < 0;
}

struct plait__strand *plait__waiters_first_uncut(const struct plait__link *waiters)
{
        struct plait__strand *strand;
        struct plait__link *link;

        for (link = waiters->next; link && link != waiters; link = link->next) {
                strand = plait__container(link, struct plait__strand, wait);
                if (!is_cut(strand))
                        return strand;
        }
        return NULL;
}

/* A select that is claimed by now is of no use in any list. */
struct plait__strand *plait__waiters_pop_slow(struct plait__link *waiters)
{
        bool cancels = plait__load(&plait__cancels);
        struct plait__registration *registration;
        struct plait__strand *strand;
        struct plait__link *link, *next;

        for (link = waiters->next; link && link != waiters; link = next) {
                next = link->next;
                registration = plait__registration_of(link);
                strand = registration ? registration->select->strand
                                      : plait__container(link, struct plait__strand, wait);
                if (cancels && is_cut(strand))
                        continue;
                plait__list_remove(link);
                if (!registration)
                        return strand;
                if (plait__registration_claim(registration)) {
                        strand->slot = registration->slot;
                        return strand;
                }
        }
        return NULL;
}
