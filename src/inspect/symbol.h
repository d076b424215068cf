/* Names for return addresses, read from the files that the program consists of: their full symbol tables where they have one,
 * so that static functions have names too, else what they export. */
#ifndef PLAIT__SYMBOL_H
#define PLAIT__SYMBOL_H

#include <stddef.h>
#include <stdint.h>

enum { PLAIT__SYMBOLS_KEPT = 256 };

struct plait__module_read;

struct plait__symbol {
        const void *address;
        const char *name;                       /* NULL: not known */
        size_t offset;                          /* from the symbol, or, without a name, from the module's base */
        const char *module;                     /* the file's last name; NULL: in no module */
};

struct plait__symbols {
        struct plait__module_read *modules;
        unsigned count, room;
        struct plait__symbol kept[PLAIT__SYMBOLS_KEPT]; /* by address: many strands are at few places */
};

/* Lists what is loaded now. Without memory no address has a name. */
void plait__symbols_open(struct plait__symbols *symbols);
void plait__symbols_close(struct plait__symbols *symbols);

/* Names stay until the close. */
const struct plait__symbol *plait__symbol_find(struct plait__symbols *symbols, const void *address);

#endif
