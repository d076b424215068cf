/* The demo's closing sentence follows the figures. */
#include "demo/figures.h"

#include <string.h>

#include "test.h"

static struct block io_block(void)
{
        struct block block = {.name = "io", .title = "I/O"};

        block.rows[SERIAL] = (struct figures){true, 10.0, 0.1, 5000, 0};
        block.rows[THREADS] = (struct figures){true, 0.10, 0.1, 20000, 0};
        block.rows[PROCESSES] = (struct figures){true, 0.70, 0.3, 90000, 0};
        block.rows[COROUTINES] = (struct figures){true, 0.10, 0.05, 8000, 0};
        block.rows[GIL] = (struct figures){true, 0.12, 0.1, 20000, 0};
        return block;
}

static void check_says(const struct block *block, const char *text)
{
        char sentence[512];

        verdict(block, sentence, sizeof sentence);
        test_note("%s", sentence);
        CHECK(strstr(sentence, text) != NULL);
}

TEST(of_equally_quick_approaches_the_smaller_wins)
{
        struct block block = io_block();

        CHECK_EQUAL(best(&block), COROUTINES);
        check_says(&block, "waited 99 %");
        check_says(&block, "coroutines suited it best");
}

TEST(other_figures_have_another_winner)
{
        struct block block = io_block();

        block.rows[COROUTINES].wall_s = 0.2;
        CHECK_EQUAL(best(&block), THREADS);
        check_says(&block, "threads suited it best");
        block.rows[PROCESSES].wall_s = 0.05;
        CHECK_EQUAL(best(&block), PROCESSES);
        check_says(&block, "processes suited it best");
}

TEST(work_that_computes_is_told_from_work_that_waits)
{
        struct block block = io_block();

        block.rows[SERIAL].cpu_s = 9.9;
        check_says(&block, "computed 99 %");
}

TEST(a_busy_machine_is_not_taken_for_waiting)
{
        struct block block = io_block();

        block.rows[SERIAL].cpu_s = 4;
        block.rows[SERIAL].queued_s = 5.5;
        check_says(&block, "computed 95 %");
}

TEST(where_nothing_helps_the_sentence_says_so)
{
        struct block block = io_block();

        block.rows[SERIAL].wall_s = 0.01;
        CHECK_EQUAL(best(&block), SERIAL);
        check_says(&block, "gained nothing");
}

TEST(a_row_that_is_not_there_does_not_win)
{
        struct block block = io_block();

        block.rows[PROCESSES] = (struct figures){false, 0, 0, 0, 0};
        CHECK_EQUAL(best(&block), COROUTINES);
        CHECK_EQUAL((int)speedup(&block, THREADS), 100);
}

TEST(without_a_serial_run_nothing_is_compared)
{
        struct block block = io_block();

        block.rows[SERIAL] = (struct figures){false, 0, 0, 0, 0};
        CHECK_EQUAL(best(&block), COROUTINES);
        CHECK_EQUAL((int)speedup(&block, THREADS), 0);
        check_says(&block, "coroutines suited it best, with 0.100 s and 8 MB");
        check_says(&block, "one at a time did not succeed");
}

TEST(where_nothing_was_measured_the_sentence_says_so)
{
        struct block block = {.name = "io", .title = "I/O"};

        CHECK_EQUAL(best(&block), APPROACHES);
        check_says(&block, "Nothing was measured");
}

TEST(figures_of_a_busy_machine_are_called_rough)
{
        struct block block = io_block();
        char sentence[512];

        block.rows[SERIAL].queued_s = 2;
        check_says(&block, "20 % of the run one at a time: these figures are rough.");
        block.rows[SERIAL].queued_s = 0.5;
        verdict(&block, sentence, sizeof sentence);
        CHECK(!strstr(sentence, "rough"));
}
