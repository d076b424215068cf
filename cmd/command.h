/* What the verbs of the plait command share. */
#ifndef PLAIT_COMMAND_H
#define PLAIT_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <plait.h>

/* Exit codes, the same for every verb; ended by a signal: 128 and its number. */
enum { EXIT_ALL = 0, EXIT_SOME_FAILED = 1, EXIT_USAGE = 2, EXIT_ALL_FAILED = 4, EXIT_BY_SIGNAL = 128 };

int get_main(int argc, char **argv);
int serve_main(int argc, char **argv);

/* ---- options.c: reading the command line, word by word */

struct options {
        const char *verb;
        char **words;                           /* from the one after the verb, and then a NULL */
        const char *name;                       /* of the present option, as it was written, for messages */
        const char *rest;                       /* of "-abc" after -a: "bc"; of "--name=value": "value"; else NULL */
        char name_text[64];
        bool ended;                             /* "--" was seen */
};

/* Options look like "j|jobs". The next word: 0, the end; 1, an option, ask option_is(); 2, an operand in *ret. */
int options_next(struct options *options, const char **ret);
bool option_is(struct options *options, const char *names);

/* The present option's value; each exits with 2, and says why, if there is none or it makes no sense. */
const char *option_value(struct options *options);
unsigned long option_number(struct options *options, unsigned long least, unsigned long most);
plait_time option_span(struct options *options);        /* 1.5s 200ms 2m */
uint64_t option_size(struct options *options);          /* 100 64K 1.5M */

/* Whether the text is a span; a bare number is none, but for 0. */
bool span_of(const char *text, plait_time *ret);

/* What is wrong with the command line, and what to do: exits with 2. */
_Noreturn void usage(const struct options *options, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void option_unknown(const struct options *options);

/* ---- text.c: what may be shown */

/* One line of JSON, built piece by piece: {"name": value, ...}. Bytes that are not UTF-8 become U+FFFD. */
void json_text(FILE *out, const char *text);            /* quoted; NULL: null */

/* The text with whatever could steer a terminal shown as '?'. */
void show_text(FILE *out, const char *text);

/* ---- signals.c */

/* SIGINT, SIGTERM and SIGHUP are taken by signals_wait() from here on, but for those that are ignored. A second one ends
 * the program at once, after clean() in its handler; NULL: nothing is to be cleaned. To be called before there are other
 * threads. 0 or a negative errno. */
int signals_block(void (*clean)(void));

/* Waits for one of them: its number, or a negative errno. */
int signals_wait(void);

/* All is done, and signals end the program as usual; one that came too late to stop anything is forgotten. */
void signals_release(void);

#endif
