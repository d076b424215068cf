#include <stdio.h>

#include "figures.h"

void print_block(const struct block *block)
{
        char sentence[512];
        enum approach winner = best(block), i;

        printf("\n%s\n", block->title);
        printf("  %-20s %9s %9s %10s %9s\n", "approach", "wall", "CPU", "memory", "speed-up");
        for (i = 0; i < APPROACHES; i++) {
                const struct figures *row = &block->rows[i];

                if (!row->there)
                        continue;
                printf("%s %-20s %7.3f s %7.3f s %7.1f MB ", i == winner ? "*" : " ",
                       i == SERIAL ? "one at a time" : i == GIL ? "threads under a gil" : approach_name(i), row->wall_s,
                       row->cpu_s, (double)row->rss_kb / 1024);
                if (block->rows[SERIAL].there)
                        printf("%8.1fx", speedup(block, i));
                putchar('\n');
        }
        verdict(block, sentence, sizeof sentence);
        printf("%s\n", sentence);
}

bool write_json(const char *path, const struct block *blocks, size_t count)
{
        FILE *file = fopen(path, "w");
        const char *between = "[";
        size_t b;
        enum approach i;

        if (!file)
                return false;
        for (b = 0; b < count; b++) {
                for (i = 0; i < APPROACHES; i++) {
                        const struct figures *row = &blocks[b].rows[i];

                        if (!row->there)
                                continue;
                        fprintf(file,
                                "%s\n {\"block\": \"%s\", \"approach\": \"%s\", \"wall_s\": %.6f, \"cpu_s\": %.6f, \"rss_kb\": %ld, "
                                "\"speedup\": ",
                                between, blocks[b].name, approach_name(i), row->wall_s, row->cpu_s, row->rss_kb);
                        if (blocks[b].rows[SERIAL].there)
                                fprintf(file, "%.3f}", speedup(&blocks[b], i));
                        else
                                fputs("null}", file);
                        between = ",";
                }
        }
        fprintf(file, "%s\n]\n", between[0] == '[' ? "[" : "");
        return fclose(file) == 0;
}
