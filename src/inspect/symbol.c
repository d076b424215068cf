#define _GNU_SOURCE
#include "inspect/symbol.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/sys.h"

struct plait__module_read {
        char path[256];                         /* empty: the program itself */
        uintptr_t base, low, high;              /* loaded at [low, high) */
        bool opened;
        const char *file;                       /* mapped; NULL: it could not be */
        size_t size;
        const ElfW(Sym) * symbols;
        size_t symbol_count;
        const char *names;
        size_t names_size;
};

/* ---- what is loaded */

static int count_one(struct dl_phdr_info *info, size_t size, void *arg)
{
        (void)info;
        (void)size;
        ++*(unsigned *)arg;
        return 0;
}

static int list_one(struct dl_phdr_info *info, size_t size, void *arg)
{
        struct plait__symbols *symbols = arg;
        struct plait__module_read *module = &symbols->modules[symbols->count];
        int i;

        (void)size;
        if (symbols->count == symbols->room)
                return 1;
        module->base = info->dlpi_addr;
        module->low = UINTPTR_MAX;
        strncpy(module->path, info->dlpi_name ? info->dlpi_name : "", sizeof module->path - 1);
        for (i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *part = &info->dlpi_phdr[i];

                if (part->p_type != PT_LOAD)
                        continue;
                if (module->base + part->p_vaddr < module->low)
                        module->low = module->base + part->p_vaddr;
                if (module->base + part->p_vaddr + part->p_memsz > module->high)
                        module->high = module->base + part->p_vaddr + part->p_memsz;
        }
        symbols->count++;
        return 0;
}

void plait__symbols_open(struct plait__symbols *symbols)
{
        memset(symbols, 0, sizeof *symbols);
        dl_iterate_phdr(count_one, &symbols->room);
        symbols->modules = plait__sys.alloc(symbols->room * sizeof *symbols->modules);
        if (symbols->modules)
                dl_iterate_phdr(list_one, symbols);
}

void plait__symbols_close(struct plait__symbols *symbols)
{
        unsigned i;

        for (i = 0; i < symbols->count; i++)
                if (symbols->modules[i].file)
                        plait__sys.munmap((void *)(uintptr_t)symbols->modules[i].file, symbols->modules[i].size);
        plait__sys.free(symbols->modules);
}

/* ---- one file */

static void map_file(struct plait__module_read *module)
{
        int fd = (int)plait__sys.openat(AT_FDCWD, module->path[0] ? module->path : "/proc/self/exe",
                                        O_RDONLY | O_CLOEXEC, 0);
        struct statx file;
        long memory;

        if (fd < 0)
                return;
        if (plait__sys.statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &file) == 0 && file.stx_size >= sizeof(ElfW(Ehdr))) {
                memory = plait__sys.mmap(NULL, file.stx_size, PROT_READ, MAP_PRIVATE, fd, 0);
                if (memory >= 0 || memory < -4095) {
                        module->file = (const char *)memory;
                        module->size = file.stx_size;
                }
        }
        plait__sys.close(fd);
}

static bool lies_inside(const struct plait__module_read *module, const ElfW(Shdr) * section)
{
        return section->sh_offset <= module->size && section->sh_size <= module->size - section->sh_offset;
}

/* The full table, or else the exported one. What does not lie inside the file is not believed. */
static void find_table(struct plait__module_read *module)
{
        const ElfW(Ehdr) *header = (const void *)module->file;
        const ElfW(Shdr) * sections, *table = NULL, *names;
        size_t i, count = header->e_shnum;

        if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_shentsize != sizeof *sections ||
            header->e_shoff > module->size || count > (module->size - header->e_shoff) / sizeof *sections)
                return;
        sections = (const void *)(module->file + header->e_shoff);
        for (i = 0; i < count; i++)
                if (sections[i].sh_type == SHT_SYMTAB || (sections[i].sh_type == SHT_DYNSYM && !table))
                        table = &sections[i];
        if (!table || table->sh_link >= count)
                return;
        names = &sections[table->sh_link];
        if (!lies_inside(module, table) || !lies_inside(module, names) || names->sh_size == 0 ||
            module->file[names->sh_offset + names->sh_size - 1] != 0)
                return;
        module->symbols = (const void *)(module->file + table->sh_offset);
        module->symbol_count = table->sh_size / sizeof *module->symbols;
        module->names = module->file + names->sh_offset;
        module->names_size = names->sh_size;
}

static void name_in(struct plait__module_read *module, uintptr_t address, struct plait__symbol *ret)
{
        uintptr_t at = address - module->base;
        const ElfW(Sym) * symbol;
        size_t i;

        if (!module->opened) {
                module->opened = true;
                map_file(module);
                if (module->file)
                        find_table(module);
        }
        for (i = 0; i < module->symbol_count; i++) {
                symbol = &module->symbols[i];
                if (ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF ||
                    at < symbol->st_value || at - symbol->st_value >= symbol->st_size ||
                    symbol->st_name >= module->names_size)
                        continue;
                ret->name = module->names + symbol->st_name;
                ret->offset = at - symbol->st_value;
                return;
        }
}

static const char *last_name(const struct plait__module_read *module)
{
        const char *slash = strrchr(module->path, '/');

        return slash ? slash + 1 : module->path[0] ? module->path : program_invocation_short_name;
}

/* A return address may be the first of the next function: the call is before it. */
static void find(struct plait__symbols *symbols, uintptr_t address, struct plait__symbol *ret)
{
        struct plait__module_read *module;
        unsigned i;

        for (i = 0; i < symbols->count; i++) {
                module = &symbols->modules[i];
                if (address - 1 < module->low || address - 1 >= module->high)
                        continue;
                ret->module = last_name(module);
                ret->offset = address - 1 - module->base;
                name_in(module, address - 1, ret);
                ret->offset++;
                return;
        }
}

const struct plait__symbol *plait__symbol_find(struct plait__symbols *symbols, const void *address)
{
        struct plait__symbol *kept = &symbols->kept[((uintptr_t)address >> 2) % PLAIT__SYMBOLS_KEPT];

        if (kept->address != address) {
                memset(kept, 0, sizeof *kept);
                kept->address = address;
                find(symbols, (uintptr_t)address, kept);
        }
        return kept;
}
