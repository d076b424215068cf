#include <stdio.h>
#include <string.h>

#include "figures.h"

const char *approach_name(enum approach approach)
{
        static const char *const names[APPROACHES] = {"serial", "threads", "processes", "coroutines", "gil"};

        return names[approach];
}

double speedup(const struct block *block, enum approach approach)
{
        double wall = block->rows[approach].wall_s;

        return wall > 0 && block->rows[SERIAL].there ? block->rows[SERIAL].wall_s / wall : 0;
}

enum approach best(const struct block *block)
{
        enum approach quickest = APPROACHES, chosen, i;

        for (i = 0; i < APPROACHES; i++)
                if (block->rows[i].there &&
                    (quickest == APPROACHES || block->rows[i].wall_s < block->rows[quickest].wall_s))
                        quickest = i;
        if (quickest == APPROACHES)
                return APPROACHES;
        chosen = quickest;
        for (i = 0; i < APPROACHES; i++)
                if (block->rows[i].there && block->rows[i].wall_s <= block->rows[quickest].wall_s * 1.1 &&
                    block->rows[i].rss_kb < block->rows[chosen].rss_kb)
                        chosen = i;
        return chosen;
}

/* What makes an approach win is said of the approach; what the work was is read from the serial run. */
static const char *reason(enum approach winner, bool waits)
{
        switch (winner) {
        case SERIAL:
                return "doing several at once gained nothing";
        case THREADS:
                return waits ? "its threads waited at the same time" : "its threads computed on several cores at once, in one memory";
        case PROCESSES:
                return waits ? "its processes waited at the same time" : "its processes computed on several cores at once";
        case COROUTINES:
                return waits ? "one thread waited for all of them at once" : "one thread took them in turn without further cost";
        case GIL:
                return waits ? "its threads let go of the lock while they waited" : "its threads took turns";
        default:
                return "";
        }
}

static const char *plural(enum approach approach)
{
        static const char *const names[APPROACHES] = {"one at a time", "threads", "processes", "coroutines", "threads under a gil"};

        return names[approach];
}

/* The best of those that did not win. */
static enum approach runner_up(const struct block *block, enum approach winner)
{
        enum approach second = APPROACHES, i;

        for (i = 0; i < APPROACHES; i++)
                if (i != winner && block->rows[i].there && (second == APPROACHES || block->rows[i].wall_s < block->rows[second].wall_s))
                        second = i;
        return second;
}

/* Without the serial run there is nothing to be compared with. */
static void verdict_alone(const struct block *block, char *ret, size_t size)
{
        enum approach winner = best(block);

        if (winner == APPROACHES)
                snprintf(ret, size, "Nothing was measured: no run succeeded.");
        else
                snprintf(ret, size, "%s suited it best, with %.3f s and %.0f MB; the run one at a time did not succeed.",
                         plural(winner), block->rows[winner].wall_s, (double)block->rows[winner].rss_kb / 1024);
}

static void compare(const struct block *block, char *ret, size_t size)
{
        const struct figures *serial = &block->rows[SERIAL];
        double waited = serial->wall_s > 0 ? 100 * (1 - (serial->cpu_s + serial->queued_s) / serial->wall_s) : 0;
        bool waits = waited > 50;
        enum approach winner = best(block), second = runner_up(block, winner);
        int n;

        n = snprintf(ret, size, "One at a time, this work %s %.0f %% of its time; %s suited it best, %.1f times as fast with %.0f MB: %s",
                     waits ? "waited" : "computed", waits ? waited : 100 - (waited < 0 ? 0 : waited), plural(winner),
                     speedup(block, winner), (double)block->rows[winner].rss_kb / 1024, reason(winner, waits));
        if (n < 0 || (size_t)n >= size)
                return;
        if (second != APPROACHES)
                snprintf(ret + n, size - (size_t)n, " (next: %s, %.1f times with %.0f MB).", plural(second), speedup(block, second),
                         (double)block->rows[second].rss_kb / 1024);
        else
                snprintf(ret + n, size - (size_t)n, ".");
}

void verdict(const struct block *block, char *ret, size_t size)
{
        const struct figures *serial = &block->rows[SERIAL];
        size_t used;

        if (!serial->there) {
                verdict_alone(block, ret, size);
                return;
        }
        compare(block, ret, size);
        used = strlen(ret);
        if (serial->queued_s > serial->wall_s * 0.1)
                snprintf(ret + used, size - used,
                         " Other programs had the processor for %.0f %% of the run one at a time: these figures are rough.",
                         100 * serial->queued_s / serial->wall_s);
}
