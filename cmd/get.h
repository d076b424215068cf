/* plait get, in parts: names.c says which file each URL becomes, download.c is the task that fetches one, report.c
 * says how it went. */
#ifndef PLAIT_COMMAND_GET_H
#define PLAIT_COMMAND_GET_H

#include "command.h"

/* One URL. It travels to processes and back, so there are no pointers in it. */
struct download {
        char url[2048];
        char name[256];                         /* of its file in the directory; "": none */
        char error[200];                        /* "": none */
        int status;                             /* of HTTP; 0: there was no answer */
        uint64_t bytes;
        plait_time took;
};

/* What all of them have in common; likewise. */
struct place {
        char directory[4000];
        plait_time within;                      /* for each; PLAIT_FOREVER: no limit */
};

/* ---- names.c */

/* The last part of the URL's path. What cannot be a name is refused: the download's error. */
void name_from_url(struct download *download);

/* Of two URLs that would become one file, the second is refused, before anything is fetched. 0 or -ENOMEM. */
int names_refuse_collisions(struct download *downloads, size_t count);

/* ---- download.c */

/* The task. Returns 0 or a negative errno, and the error says it in words. */
int download(void *download);

/* A task was killed, perhaps while it wrote: what is there of its file goes. */
void download_clean(const struct download *download, const struct place *place);

/* ---- report.c */

void report_json(const struct download *download, const struct place *place, int rc);
void report_text(const struct download *download, const struct place *place, int rc);

/* The bar on a terminal, as plait_map() has it. */
struct bar {
        bool shown;                             /* there is a terminal for it */
        plait_time drawn;
};

void bar_open(struct bar *bar);
void bar_draw(void *bar, size_t ended, size_t count);
void bar_close(struct bar *bar);

#endif
