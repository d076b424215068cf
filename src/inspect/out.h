/* Text on its way out: to a FILE, or, without one, straight to standard error. */
#ifndef PLAIT__OUT_H
#define PLAIT__OUT_H

#include <stdio.h>

#include "plait/base.h"

struct plait__out {
        FILE *file;                             /* NULL: descriptor 2 */
        size_t length;
        char text[1024];
};

void plait__out(struct plait__out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "1.203 s" */
void plait__out_span(struct plait__out *out, plait_time span);

void plait__out_flush(struct plait__out *out);

#endif
