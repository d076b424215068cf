/* Each sanitizer of this build finds what is planted for it: a build that has lost its sanitizer fails here. */
#include "test.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static volatile char seen;

#ifdef TEST_SANITIZER_ADDRESS

TEST_FAILS(a_read_past_the_end_is_found, "Early exit with return value", .once = true)
{
        volatile char *volatile memory = malloc(8);
        volatile int place = 8;

        CHECK(memory);
        seen = memory[place];
        free((void *)memory);
}

TEST_FAILS(a_use_after_free_is_found, "Early exit with return value", .once = true)
{
        volatile char *volatile memory = malloc(8);

        CHECK(memory);
        free((void *)memory);
        seen = memory[0];
}

TEST_FAILS(a_leak_is_found, "Early exit with return value", .once = true)
{
        const char *options = getenv("ASAN_OPTIONS");
        void *volatile memory;

        if (options && strstr(options, "detect_leaks=0"))
                SKIP("the leak checker is switched off here");
        memory = malloc(8);
        CHECK(memory);
        memory = NULL;
}

#endif
#ifdef TEST_SANITIZER_UNDEFINED

TEST_FAILS(an_overflow_is_found, "Early exit with return value", .once = true)
{
        volatile int most = INT_MAX;

        most = most + 1;
}

#endif
#ifdef TEST_SANITIZER_THREAD

static int raced;

static void *race(void *arg)
{
        raced++;
        return arg;
}

TEST_FAILS(a_race_is_found, "Early exit with return value", .once = true)
{
        pthread_t threads[2];

        for (int i = 0; i < 2; i++)
                CHECK(pthread_create(&threads[i], NULL, race, NULL) == 0);
        for (int i = 0; i < 2; i++)
                pthread_join(threads[i], NULL);
}

#endif

TEST(a_clean_test_is_clean)
{
        volatile char *volatile memory = malloc(8);

        CHECK(memory);
        memory[7] = 1;
        seen = memory[7];
        free((void *)memory);
}
