/* The chunks of a map: which items each has. The parent chooses them, the workers look them up. */
#ifndef PLAIT__CHUNKS_H
#define PLAIT__CHUNKS_H

#include "process/shared.h"

/* Chunks that get smaller towards the end: how many there are. `starts` gets the first item of each; NULL: they are only counted. */
static inline uint64_t plait__chunks_guided(uint64_t count, unsigned workers, uint64_t *starts)
{
        uint64_t most = count / (32 * (uint64_t)workers), size, at = 0, n = 0;

        for (; at < count; at += size, n++) {
                size = (count - at) / (8 * (uint64_t)workers);
                if (size > most)
                        size = most;
                if (size == 0)
                        size = 1;
                if (starts)
                        starts[n] = at;
        }
        return n;
}

static inline uint64_t plait__chunk_start(struct plait__region_head *head, const struct plait__map *map, uint32_t chunk)
{
        const uint64_t *starts = plait__at(head, map->starts);

        return map->chunk ? chunk * map->chunk : starts[chunk];
}

/* The item after its last. */
static inline uint64_t plait__chunk_end(struct plait__region_head *head, const struct plait__map *map, uint32_t chunk)
{
        return chunk + 1 == map->chunks ? map->count : plait__chunk_start(head, map, chunk + 1);
}

#endif
