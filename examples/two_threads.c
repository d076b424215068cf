/* Two downloads at once, each on a thread of its own.
 *
 *     two_threads [URL URL] */
#include <plait.h>
#include <plait/http.h>
#include <stdio.h>

static int download_site(void *arg)
{
        const char *url = arg;
        plait_response response = {0};
        int rc;

        printf("Starting download of %s\n", url);
        rc = plait_http_get(url, &response);
        if (rc < 0)
                printf("No download of %s: %s\n", url, response.error);
        else
                printf("Finished download of %s, size: %zu\n", url, response.length);
        plait_response_done(&response);
        return rc;
}

static int run_with_threads(char *sites[2])
{
        PLAIT_GROUP(group, .executor = plait_own_thread(), .keep_going = true);

        for (int i = 0; i < 2; i++)
                plait_group_start(&group, download_site, sites[i], 0);
        return plait_group_wait(&group);
}

int main(int argc, char **argv)
{
        char *usual[] = {"https://www.python.org", "https://www.google.com"};
        plait_time start = plait_now();
        int rc;

        if (argc != 1 && argc != 3) {
                fprintf(stderr, "usage: two_threads [URL URL]\n");
                return 2;
        }
        rc = run_with_threads(argc == 3 ? argv + 1 : usual);
        printf("Threads took %.2f seconds\n", (double)(plait_now() - start) / PLAIT_S);
        return rc < 0;
}
