#ifndef PLAIT__RESERVE_H
#define PLAIT__RESERVE_H

#include <stddef.h>

/* Reserves up to `*size` bytes of addresses, a power of two, nothing of which is usable yet; what is had is in *size, at least
 * `least`. Under RLIMIT_AS no piece takes more than an eighth of what the program is allowed. NULL: not even `least`. */
void *plait__reserve(size_t *size, size_t least);

#endif
