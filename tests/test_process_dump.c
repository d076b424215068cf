/* Tasks in worker processes, as a dump shows them. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks.h"

static int until_cancelled(void *arg)
{
        int rc = plait_sleep(PLAIT_FOREVER);

        (void)arg;
        return rc;
}

static bool shows_pid(void)
{
        char *text = NULL, *line;
        size_t size;
        FILE *file = open_memstream(&text, &size);
        int pid = 0;

        plait_dump(file);
        fclose(file);
        line = strstr(text, "'far' of group 'away'");
        CHECK(line);
        if (sscanf(line, "'far' of group 'away', task in process %d: running;", &pid) != 1)
                CHECK(strstr(line, "task for another process: new;"));
        free(text);
        return pid > 0;
}

TEST(a_task_in_another_process_is_shown_with_its_pid)
{
        PLAIT_GROUP(group, .executor = plait_processes(), .name = "away");

        plait_group_start_with(&group, &(plait_task_options){.name = "far"}, until_cancelled, NULL, 0);
        while (!shows_pid())
                CHECK_EQUAL(plait_sleep(PLAIT_MS), 0);
        plait_group_cancel(&group);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

struct text { char bytes[8192]; };

static int dump_here(void *arg)
{
        struct text *text = arg;
        FILE *file = fmemopen(text->bytes, sizeof text->bytes, "w");

        plait_dump(file);
        fclose(file);
        return 0;
}

TEST(a_worker_dumps_itself)
{
        static struct text text;

        CHECK_EQUAL(plait_call(plait_processes(), dump_here, &text, sizeof text), 0);
        test_note("%.200s", text.bytes);
        CHECK(strstr(text.bytes, ": running; age "));
        CHECK(strstr(text.bytes, "        dump_here+0x"));
}
