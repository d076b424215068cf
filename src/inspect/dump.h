#ifndef PLAIT__DUMP_H
#define PLAIT__DUMP_H

#include "inspect/seen.h"
#include "inspect/symbol.h"

/* One strand, with its stack. */
void plait__out_strand(struct plait__out *out, struct plait__symbols *symbols, const struct plait__seen *seen);

/* A stack; `interrupted`: its first frame is the first to be shown, not the call in which the strand parked. */
void plait__out_stack(struct plait__out *out, struct plait__symbols *symbols, void *const *frames, int count,
                      bool interrupted);

/* What plait_dump() writes. */
void plait__dump(struct plait__out *out);

#endif
