/* Misuse is a bug of the program: one sentence that names the call, then abort(). */
#ifndef PLAIT__PANIC_H
#define PLAIT__PANIC_H

#include <stdlib.h>

#include "plait/base.h"

/* Prints "plait: CALL: sentence" on stderr and aborts. Allocates nothing, takes no lock. */
PLAIT_API _Noreturn void plait__panic(const char *call, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* States a fact that must hold; kept in release builds, where it is one compare. */
#define PLAIT__ASSERT(fact)                                                                                            \
        do {                                                                                                           \
                if (__builtin_expect(!(fact), 0))                                                                      \
                        plait__panic(__func__, "internal fact does not hold: %s", #fact);                              \
        } while (0)

#endif
