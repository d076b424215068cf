/* Before main(). A program that is started as a fork server ("plait-worker", by its parent's pool) must run the constructors
 * of its libraries and static objects, but not main(): so plait stands in for __libc_start_main(), which is what calls main().
 *
 *      libplait.so             interposes it: the program's start code finds ours before libc's
 *      libplait.a, dynamic     the program holds ours; libc's comes next
 *      libplait.a, -static     libc's own definition may win, since ours is weak: then the constructor below does it. It runs
 *                              after those of the program if -lplait stands behind the program's objects on the command line
 *
 * One object serves all three: the constructor acts only in the program itself (not from a library, whose constructors run
 * before the program's), and only if the stand-in was not called.
 *
 * Only a program in which one of the two ran is ever started again: else its main() would run a second time, and start pools
 * without end. Nor one that is setuid: its caller must not choose what it runs. The marker is in the arguments, not in the
 * environment: it cannot reach a grandchild, and nothing is to be unset. */
#define _GNU_SOURCE
#include "process/start.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "base/atomic.h"
#include "base/sys.h"
#include "plait/base.h"
#include "process/processes.h"
#include "process/server.h"

#pragma weak dlsym

typedef int main_fn(int argc, char **argv, char **environment);
typedef int start_fn(main_fn *program_main, int argc, char **argv, void (*init)(void), void (*fini)(void), void (*rtld_fini)(void),
                     void *stack_end);

PLAIT_API int __libc_start_main(main_fn *program_main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                                void (*rtld_fini)(void), void *stack_end);

extern const char __ehdr_start[] __attribute__((visibility("hidden")));        /* of the module this code is in: from the linker */

static bool entered;
static main_fn *real_main;

static void serve_if_asked(int argc, char **argv)
{
        entered = true;
        if (getauxval(AT_SECURE) == 0 && argc == 3 && strcmp(argv[0], PLAIT__WORKER_NAME) == 0)
                plait__server_enter(argv[1], argv[2]);
}

static int stand_in_main(int argc, char **argv, char **environment)
{
        serve_if_asked(argc, argv);
        return real_main(argc, argv, environment);
}

__attribute__((weak)) int __libc_start_main(main_fn *program_main, int argc, char **argv, void (*init)(void), void (*fini)(void),
                                            void (*rtld_fini)(void), void *stack_end)
{
        start_fn *next = NULL;
        void *symbol = dlsym ? dlsym(RTLD_NEXT, "__libc_start_main") : NULL;

        if (!symbol)
                abort();                        /* a libc without one: nobody could have called this */
        memcpy(&next, &symbol, sizeof next);
        real_main = program_main;
        return next(stand_in_main, argc, argv, init, fini, rtld_fini, stack_end);
}

static bool in_program(void)
{
        const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)(const void *)__ehdr_start;

        return (uintptr_t)header + header->e_phoff == getauxval(AT_PHDR);
}

__attribute__((constructor)) static void fall_back(int argc, char **argv)
{
        plait__processes_join();
        if (!entered && !real_main && in_program())
                serve_if_asked(argc, argv);
}

/* ---- starting again */

/* The line of /proc/self/maps that holds `address`: its inode and path. 0; -ENOTSUP: no such line; or why it cannot be read now. */
static int mapped_file(uintptr_t address, unsigned long *ret_inode, char *ret_path, size_t size)
{
        char *line = NULL;
        size_t room = 0;
        unsigned long low, high;
        int at;
        bool found = false;
        FILE *maps = fopen("/proc/self/maps", "re");

        if (!maps)
                return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -ENOTSUP;
        while (!found && getline(&line, &room, maps) > 0) {
                if (sscanf(line, "%lx-%lx %*s %*s %*s %lu %n", &low, &high, ret_inode, &at) < 3 || address < low || address >= high)
                        continue;
                line[strcspn(line, "\n")] = 0;
                found = strlen(line + at) < size;
                if (found)
                        strcpy(ret_path, line + at);
        }
        free(line);
        fclose(maps);
        return found ? 0 : -ENOTSUP;
}

static bool names_inode(const char *path, unsigned long inode)
{
        struct statx file;

        return plait__sys.statx(AT_FDCWD, path, 0, STATX_INO, &file) == 0 && file.stx_ino == inode;
}

/* /proc/self/exe survives the removal and the replacement of the file; but started by "ld.so ./prog", or under valgrind, it is
 * another program. */
static int find_path(const char **ret)
{
        static char path[4096];
        unsigned long inode;
        int rc = mapped_file(getauxval(AT_PHDR), &inode, path, sizeof path);

        if (rc < 0)
                return rc;
        if (names_inode("/proc/self/exe", inode))
                *ret = "/proc/self/exe";
        else if (names_inode(path, inode))
                *ret = path;
        return *ret ? 0 : -ENOTSUP;
}

int plait__start_path(const char **ret)
{
        static const char *path;                /* guarded, with what find_path() writes, by `lock` */
        static plait__spin lock;
        int saved_errno = errno, rc = 0;

        if (!entered || getauxval(AT_SECURE))
                return -ENOTSUP;
        plait__spin_acquire(&lock);
        if (!path)
                rc = find_path(&path);
        *ret = path;
        plait__spin_release(&lock);
        errno = saved_errno;
        return rc;
}
