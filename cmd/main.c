/* The plait command: a verb, its options, its operands. */
#include "command.h"

#include <string.h>

static const char help[] =
        "plait VERB [OPTION]... [OPERAND]...\n"
        "\n"
        "  get URL...    fetch files, many at once\n"
        "  serve         a small HTTP server, for trying things out\n"
        "\n"
        "  plait VERB --help    about one of them\n"
        "  plait --version\n";

static const struct verb { const char *name; int (*main)(int argc, char **argv); } verbs[] = {
        {"get", get_main},
        {"serve", serve_main},
};

static int out_done(int code)
{
        if (fflush(stdout) == 0 && !ferror(stdout))
                return code;
        perror("plait: standard output");
        return code == EXIT_ALL ? EXIT_SOME_FAILED : code;
}

int main(int argc, char **argv)
{
        size_t i;

        if (argc < 2) {
                fputs(help, stderr);
                return EXIT_USAGE;
        }
        if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
                fputs(help, stdout);
                return out_done(EXIT_ALL);
        }
        if (!strcmp(argv[1], "--version")) {
                puts("plait " PLAIT_COMMAND_VERSION);
                return out_done(EXIT_ALL);
        }
        for (i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
                if (!strcmp(argv[1], verbs[i].name))
                        return out_done(verbs[i].main(argc - 1, argv + 1));
        fputs("plait: there is no verb ", stderr);
        show_text(stderr, argv[1]);
        fputs("; see: plait --help\n", stderr);
        return EXIT_USAGE;
}
