/* Modules are known by their build-id, which every linker of a distribution writes; one without gets an identity made of its
 * file's device, inode, size and time, good as long as both processes are on this machine. An address outside the executable
 * segments (a nested function's trampoline, code made at run time) has no identity: -ENOEXEC.
 *
 * What was found stays found: for the program itself for ever, since it is never unloaded; for a library until the count of
 * unloaded ones changes (a library that is unloaded and another one put in its place would else be taken for it). */
#define _GNU_SOURCE
#include "process/function.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>

#include "base/atomic.h"
#include "base/sys.h"

/* A static program may not have it; then it has no libraries. Nor is dlopen() named, which would make its linker complain. */
#pragma weak dlsym

struct found {
        bool is_main;
        uintptr_t base, low, high;              /* of the executable segment with the address */
        unsigned char id[PLAIT__MODULE_ID];
        bool is_build_id;
        char path[sizeof ((struct plait__module *)0)->path];
        unsigned long long subs;
};

/* ---- one module's identity */

static bool build_id_in(const char *note, size_t size, unsigned char *ret)
{
        const char *end = note + size;
        const ElfW(Nhdr) *header;
        size_t name, description;

        while (note + sizeof *header <= end) {
                header = (const ElfW(Nhdr) *)(const void *)note;
                name = (header->n_namesz + 3u) & ~(size_t)3;
                description = (header->n_descsz + 3u) & ~(size_t)3;
                note += sizeof *header;
                if ((size_t)(end - note) < name + description)
                        return false;
                if (header->n_type == NT_GNU_BUILD_ID && header->n_namesz == 4 && memcmp(note, "GNU", 4) == 0 && header->n_descsz) {
                        memset(ret, 0, PLAIT__MODULE_ID);
                        memcpy(ret, note + name, header->n_descsz < PLAIT__MODULE_ID ? header->n_descsz : PLAIT__MODULE_ID);
                        return true;
                }
                note += name + description;
        }
        return false;
}

static bool build_id(const struct dl_phdr_info *info, unsigned char *ret)
{
        for (int i = 0; i < info->dlpi_phnum; i++)
                if (info->dlpi_phdr[i].p_type == PT_NOTE &&
                    build_id_in((const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr), info->dlpi_phdr[i].p_memsz, ret))
                        return true;
        return false;
}

static bool file_id(const char *path, unsigned char *ret)
{
        struct statx file;
        uint64_t words[3];

        if (plait__sys.statx(AT_FDCWD, *path ? path : "/proc/self/exe", 0, STATX_INO | STATX_SIZE | STATX_MTIME, &file) < 0)
                return false;
        words[0] = file.stx_ino;
        words[1] = (uint64_t)file.stx_dev_major << 32 ^ file.stx_dev_minor ^ file.stx_size << 8;
        words[2] = (uint64_t)file.stx_mtime.tv_sec << 20 ^ file.stx_mtime.tv_nsec;
        memcpy(ret, words, PLAIT__MODULE_ID);
        return true;
}

static bool identify(const struct dl_phdr_info *info, bool is_main, unsigned char *ret, bool *ret_is_build_id)
{
        *ret_is_build_id = build_id(info, ret);
        return *ret_is_build_id || ((is_main || *info->dlpi_name) && file_id(is_main ? "" : info->dlpi_name, ret));
}

/* The program itself comes first, and has no name. */
static bool is_main_module(const struct dl_phdr_info *info)
{
        return !info->dlpi_name || !*info->dlpi_name;
}

/* ---- here to there */

struct search { uintptr_t address; struct found *found; int rc; bool seen; };

static int visit_address(struct dl_phdr_info *info, size_t size, void *arg)
{
        struct search *search = arg;
        const ElfW(Phdr) *segment;
        uintptr_t low;
        bool is_main = !search->seen && is_main_module(info);

        (void)size;
        search->seen = true;
        for (int i = 0; i < info->dlpi_phnum; i++) {
                segment = &info->dlpi_phdr[i];
                low = info->dlpi_addr + segment->p_vaddr;
                if (segment->p_type != PT_LOAD || search->address - low >= segment->p_memsz)
                        continue;
                if (!(segment->p_flags & PF_X) || (!is_main && !*info->dlpi_name) ||
                    strlen(info->dlpi_name) >= sizeof search->found->path ||
                    !identify(info, is_main, search->found->id, &search->found->is_build_id))
                        return 1;
                search->found->is_main = is_main;
                search->found->base = info->dlpi_addr;
                search->found->low = low;
                search->found->high = low + segment->p_memsz;
                search->found->subs = info->dlpi_subs;
                strcpy(search->found->path, is_main ? "" : info->dlpi_name);
                search->rc = 0;
                return 1;
        }
        return 0;
}

static int visit_subs(struct dl_phdr_info *info, size_t size, void *arg)
{
        (void)size;
        *(unsigned long long *)arg = info->dlpi_subs;
        return 1;
}

/* The module's place in the region's table, entered if it is new. */
static int enter(struct plait__region_head *head, const struct found *found, uint32_t *ret)
{
        uint32_t i, count = plait__load(&head->modules_count);
        struct plait__module *module;

        for (i = 0; i < count; i++)
                if (memcmp(head->modules[i].id, found->id, sizeof found->id) == 0 && strcmp(head->modules[i].path, found->path) == 0)
                        break;
        if (i == PLAIT__MODULES)
                return -ENOEXEC;
        if (i == count) {
                module = &head->modules[i];
                memcpy(module->id, found->id, sizeof module->id);
                module->is_build_id = found->is_build_id;
                strcpy(module->path, found->path);
                plait__store_release(&head->modules_count, count + 1);  /* pairs with plait__function_here() */
        }
        *ret = i;
        return 0;
}

/* The two modules found last: the program, and one library. */
static struct { uintptr_t base, low, high; uint32_t module; unsigned long long subs; } cached[2];

int plait__function_find(struct plait__region_head *head, plait_fn *fn, struct plait__function *ret)
{
        struct found found;
        struct search search = {(uintptr_t)fn, &found, -ENOEXEC, false};
        unsigned long long subs;
        int i;

        for (i = 0; i < 2; i++) {
                if (search.address - cached[i].low >= cached[i].high - cached[i].low)
                        continue;
                if (i == 1 && (dl_iterate_phdr(visit_subs, &subs), subs != cached[i].subs))
                        continue;
                ret->module = cached[i].module;
                ret->offset = search.address - cached[i].base;
                return 0;
        }
        dl_iterate_phdr(visit_address, &search);
        if (search.rc < 0 || enter(head, &found, &ret->module) < 0)
                return -ENOEXEC;
        ret->offset = search.address - found.base;
        i = !found.is_main;
        cached[i].base = found.base;
        cached[i].low = found.low;
        cached[i].high = found.high;
        cached[i].module = ret->module;
        cached[i].subs = found.subs;
        return 0;
}

/* ---- there to here */

struct match { const struct plait__module *module; uintptr_t base; bool found, seen; };

static int visit_module(struct dl_phdr_info *info, size_t size, void *arg)
{
        struct match *match = arg;
        unsigned char id[PLAIT__MODULE_ID];
        bool is_main = !match->seen && is_main_module(info), is_build_id;

        (void)size;
        match->seen = true;
        if (is_main != !*match->module->path || !identify(info, is_main, id, &is_build_id))
                return 0;
        if (is_build_id != match->module->is_build_id || memcmp(id, match->module->id, sizeof id) != 0)
                return 0;
        match->base = info->dlpi_addr;
        match->found = true;
        return 1;
}

typedef void *open_fn(const char *path, int mode);

static bool open_library(const char *path)
{
        void *symbol = dlsym ? dlsym(RTLD_DEFAULT, "dlopen") : NULL;
        open_fn *open;

        memcpy(&open, &symbol, sizeof open);
        return open && open(path, RTLD_NOW);
}

static bool load(const struct plait__module *module, uintptr_t *ret)
{
        struct match match = {.module = module};

        dl_iterate_phdr(visit_module, &match);
        if (!match.found && *module->path && open_library(module->path)) {
                match.seen = false;
                dl_iterate_phdr(visit_module, &match);
        }
        *ret = match.base;
        return match.found;
}

plait_fn *plait__function_here(struct plait__region_head *head, const struct plait__function *function)
{
        static struct { bool known; uintptr_t base; } bases[PLAIT__MODULES];    /* of the one region that a worker serves */
        uint32_t i = function->module;

        if (i >= plait__load_acquire(&head->modules_count))
                return NULL;
        if (!bases[i].known && !(bases[i].known = load(&head->modules[i], &bases[i].base)))
                return NULL;
        return (plait_fn *)(bases[i].base + function->offset);
}
