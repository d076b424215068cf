#include "sync/waiters.h"

/* Of the moment at which something is handed over: what came before cuts the wait short, and nothing is handed over after that. */
static bool is_cut(struct plait__strand *strand)
{
        return !strand->insists && plait__scope_state_at(strand, strand->loop->seams.now(strand->loop)) < 0;
}

struct plait__strand *plait__waiters_pop_uncut(struct plait__link *waiters)
{
        struct plait__strand *strand;
        struct plait__link *link;

        for (link = waiters->next; link && link != waiters; link = link->next) {
                strand = plait__container(link, struct plait__strand, wait);
                if (!is_cut(strand)) {
                        plait__list_remove(link);
                        return strand;
                }
        }
        return NULL;
}
