/* plait get, in parts: names.c says which file each URL becomes, download.c is the task that fetches one, report.c
 * says how it went. */
#ifndef PLAIT_COMMAND_GET_H
#define PLAIT_COMMAND_GET_H

#include "command.h"

/* One URL. It travels to processes and back, so there are no pointers in it. */
struct download {
        char url[2048];
        char name[256];                         /* of its file in the directory; "": none */
        char part[256];                         /* of the file until it is whole; no other file has that name */
        char error[200];                        /* "": none */
        int status;                             /* of HTTP; 0: there was no answer */
        uint64_t bytes;
        plait_time took;
};

/* Where the bytes go. */
enum target {
        TO_FILE,                                /* a file that is made, or replaced */
        TO_DEVICE,                              /* what is there and no file, and was named by the user: a pipe, /dev/null */
        TO_OUTPUT                               /* standard output */
};

/* What all of them have in common; likewise. */
struct place {
        char directory[4000];
        enum target target;
        plait_time within;                      /* for each; PLAIT_FOREVER: no limit */
};

/* ---- names.c */

/* The last part of the URL's path. What cannot be a name is refused: the download's error. */
void name_from_url(struct download *download);

/* Of two URLs that would become one file, the second is refused, before anything is fetched. 0 or -ENOMEM. */
int names_refuse_collisions(struct download *downloads, size_t count);

/* A name for the part that nobody has: NAME.1f0c93ab.part. 0 or a negative errno. */
int name_part(struct download *download);

/* ---- download.c */

/* The task. Returns 0 or a negative errno, and the error says it in words. */
int download(void *download);

/* A task was killed, perhaps while it wrote: what is there of its file goes. A signal handler may call it. */
void download_clean(const struct download *download, const struct place *place);

/* ---- directory.c */

/* Makes a directory, and those above it, where they are not there. 0 or a negative errno. */
int directory_make(const char *path);

/* -o: which directory and name that is; `directory` is that of --dir, and NULL if none was given. NULL, or what is wrong
 * with it, for the user. */
const char *directory_of_output(const char *output, const char *directory, struct place *place, struct download *download);

/* ---- report.c */

void report_json(const struct download *download, const struct place *place, int rc);
void report_text(const struct download *download, const struct place *place, int rc);

/* The bar on a terminal, as plait_map() has it. */
struct bar {
        bool shown;                             /* there is a terminal for it */
        plait_time drawn;
};

void bar_open(struct bar *bar, size_t count);
void bar_draw(void *bar, size_t ended, size_t count);
void bar_close(struct bar *bar);

#endif
