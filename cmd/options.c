#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void usage(const struct options *options, const char *format, ...)
{
        va_list arguments;
        char text[1024];

        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        fprintf(stderr, "plait %s: ", options->verb);
        show_text(stderr, text);
        fprintf(stderr, "; see: plait %s --help\n", options->verb);
        exit(EXIT_USAGE);
}

void option_unknown(const struct options *options)
{
        usage(options, "there is no option %s", options->name);
}

/* ---- words */

static int next_long(struct options *options, const char *word)
{
        size_t length = strcspn(word, "=");

        snprintf(options->name_text, sizeof options->name_text, "%.*s", (int)length, word);
        options->name = options->name_text;
        options->rest = word[length] ? word + length + 1 : NULL;
        return 1;
}

static int next_short(struct options *options, const char *letters)
{
        snprintf(options->name_text, sizeof options->name_text, "-%c", letters[0]);
        options->name = options->name_text;
        options->rest = letters[1] ? letters + 1 : NULL;
        return 1;
}

int options_next(struct options *options, const char **ret)
{
        const char *word;

        if (options->rest && options->name[1] == '-')
                usage(options, "%s takes no value", options->name);
        if (options->rest)                      /* more letters behind one that took no value */
                return next_short(options, options->rest);
        word = *options->words;
        if (!word)
                return 0;
        options->words++;
        if (options->ended || word[0] != '-' || !word[1]) {
                *ret = word;
                return 2;
        }
        if (!strcmp(word, "--")) {
                options->ended = true;
                return options_next(options, ret);
        }
        return word[1] == '-' ? next_long(options, word) : next_short(options, word + 1);
}

/* "j|jobs": is the present option -j or --jobs? */
bool option_is(struct options *options, const char *names)
{
        const char *name = options->name + (options->name[1] == '-' ? 2 : 1);
        size_t length = strlen(name), part;

        for (;; names += part + 1) {
                part = strcspn(names, "|");
                if (part == length && !strncmp(names, name, length) && (part == 1) == (options->name[1] != '-'))
                        return true;
                if (!names[part])
                        return false;
        }
}

/* ---- values */

const char *option_value(struct options *options)
{
        const char *value = options->rest;

        if (!value && *options->words)
                value = *options->words++;
        if (!value)
                usage(options, "%s needs a value", options->name);
        options->rest = NULL;
        return value;
}

unsigned long option_number(struct options *options, unsigned long least, unsigned long most)
{
        const char *value = option_value(options);
        unsigned long number;
        char *end;

        errno = 0;
        number = strtoul(value, &end, 10);
        if (value[0] < '0' || value[0] > '9' || *end || errno || number < least || number > most)
                usage(options, "%s %s: a number from %lu to %lu is needed", options->name, value, least, most);
        return number;
}

/* A number, and after it one of the units; 0 needs none. False: something else. */
static bool scaled(const char *text, const char *const units[], const double scales[], double *ret)
{
        char *end;
        double number = strtod(text, &end);
        int i;

        if ((text[0] < '0' || text[0] > '9') && text[0] != '.')
                return false;
        for (i = 0; units[i]; i++)
                if (!strcmp(end, units[i])) {
                        *ret = number * scales[i];
                        return *ret < 9e18;
                }
        *ret = 0;
        return number == 0 && !*end;
}

bool span_of(const char *text, plait_time *ret)
{
        static const char *const units[] = {"ns", "us", "ms", "s", "m", "h", NULL};
        static const double scales[] = {1, 1e3, 1e6, 1e9, 60e9, 3600e9};
        double span;

        if (!scaled(text, units, scales, &span))
                return false;
        *ret = (plait_time)span;
        return true;
}

plait_time option_span(struct options *options)
{
        const char *value = option_value(options);
        plait_time span;

        if (!span_of(value, &span))
                usage(options, "%s %s: a time is needed, as 200ms, 1.5s or 2m", options->name, value);
        return span;
}

uint64_t option_size(struct options *options)
{
        static const char *const units[] = {"", "K", "M", "G", NULL};
        static const double scales[] = {1, 1024, 1048576, 1073741824};
        const char *value = option_value(options);
        double size;

        if (!scaled(value, units, scales, &size))
                usage(options, "%s %s: a size is needed, as 100, 64K or 1.5M", options->name, value);
        return (uint64_t)size;
}
