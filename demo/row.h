#ifndef DEMO_ROW_H
#define DEMO_ROW_H

#include "figures.h"

/* Runs one row in this process, a fresh one: the work of the block by the approach; `urls` are the downloads. Prints its
 * wall time in seconds, the peak memory of this process and all below it in KiB, and how long its first thread was ready but
 * others had the processor: "0.081 5120 0.001". Returns an exit status. */
int run_row(const char *block, enum approach approach, char **urls, int count);

#endif
