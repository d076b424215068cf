/* What one run of the demo measured. */
#ifndef DEMO_FIGURES_H
#define DEMO_FIGURES_H

#include <stdbool.h>
#include <stddef.h>

enum approach { SERIAL, THREADS, PROCESSES, COROUTINES, GIL, APPROACHES };

struct figures {
        bool there;                             /* the row exists and its run succeeded */
        double wall_s, cpu_s;                   /* cpu: of all its processes */
        long rss_kb;                            /* peak, of all its processes */
        double queued_s;                        /* its first thread was ready to run, and others had the processor */
};

struct block {
        const char *name;                       /* "io" or "cpu" */
        const char *title;
        struct figures rows[APPROACHES];
};

/* The word of an approach, as in JSON. */
const char *approach_name(enum approach approach);

/* 0: there is no serial run to compare with. */
double speedup(const struct block *block, enum approach approach);

/* The approach that the figures speak for: the quickest, and among those that are as quick within a tenth, the one that
 * needs least memory. APPROACHES: no row is there. */
enum approach best(const struct block *block);

/* One sentence that says which approach suits this work and why, drawn from the figures alone; a second one if they are not
 * to be relied on. */
void verdict(const struct block *block, char *ret, size_t size);

/* The block as a table for people, closed by its verdict. */
void print_block(const struct block *block);

/* Both blocks as JSON; false: the file cannot be written. */
bool write_json(const char *path, const struct block *blocks, size_t count);

#endif
