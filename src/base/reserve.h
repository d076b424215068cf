#ifndef PLAIT__RESERVE_H
#define PLAIT__RESERVE_H

#include <stddef.h>

/* Reserves up to `*size` bytes of addresses, nothing of which is usable yet; what is had is in *size, at least `least`. Under
 * RLIMIT_AS a piece takes at most one part in `share` of what the program is allowed. NULL: not even `least`. */
void *plait__reserve(size_t *size, size_t least, unsigned share);

#endif
