#define _GNU_SOURCE
#include "base/reserve.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "base/sys.h"

void *plait__reserve(size_t *size, size_t least)
{
        struct rlimit limit;
        long address;

        if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
                while (*size > limit.rlim_cur / 8 && *size / 2 >= least)
                        *size /= 2;
        for (; *size >= least; *size /= 2) {
                address = plait__sys.mmap(NULL, *size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
                if (address >= 0 || address < -4095)
                        return (void *)address;
        }
        return NULL;
}
