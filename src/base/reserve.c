#define _GNU_SOURCE
#include "base/reserve.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "base/sys.h"

void *plait__reserve(size_t *size, size_t least, unsigned share)
{
        const size_t step = (size_t)1 << 21;
        struct rlimit limit;
        size_t most;
        long address;

        if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
                most = (size_t)limit.rlim_cur / share & ~(step - 1);
                if (most < least)
                        most = least;
                if (*size > most)
                        *size = most;
        }
        for (; *size >= least; *size = *size / 2 & ~(step - 1)) {
                address = plait__sys.mmap(NULL, *size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
                if (address >= 0 || address < -4095)
                        return (void *)address;
        }
        return NULL;
}
