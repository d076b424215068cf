/* One task; a word of the command line decides where it runs.
 *
 *     any_executor coroutines|threads|processes [URL...] */
#include <plait.h>
#include <plait/http.h>
#include <stdio.h>
#include <string.h>

struct site { char url[256]; size_t size; int error; };

static int download_site(void *arg)
{
        struct site *site = arg;
        plait_response response = {0};
        int rc = plait_http_get(site->url, &response);

        site->size = response.length;
        site->error = rc;
        plait_response_done(&response);
        return rc;
}

static plait_executor *executor_of(const char *word)
{
        if (strcmp(word, "coroutines") == 0)
                return plait_coroutines();
        if (strcmp(word, "threads") == 0)
                return plait_threads();
        if (strcmp(word, "processes") == 0)
                return plait_processes();
        return NULL;
}

int main(int argc, char **argv)
{
        struct site sites[16] = {{.url = "https://www.python.org"}, {.url = "https://www.google.com"}};
        plait_executor *executor = argc > 1 ? executor_of(argv[1]) : NULL;
        plait_map_options options = {.executor = executor, .keep_going = true};
        plait_time start = plait_now();
        int count = 2, rc;

        if (!executor || argc > 18) {
                fprintf(stderr, "usage: any_executor coroutines|threads|processes [URL...], 16 at most\n");
                return 2;
        }
        for (int i = 2; i < argc; i++) {
                count = i - 1;
                snprintf(sites[i - 2].url, sizeof sites[i - 2].url, "%s", argv[i]);
        }
        rc = plait_map_with(&options, download_site, sites, (size_t)count, sizeof sites[0]);
        for (int i = 0; i < count; i++)
                printf("%s: %s, size: %zu\n", sites[i].url, sites[i].error ? strerror(-sites[i].error) : "done", sites[i].size);
        printf("%s took %.2f seconds\n", argv[1], (double)(plait_now() - start) / PLAIT_S);
        return rc < 0;
}
