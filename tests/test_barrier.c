/* Barriers: nobody goes on before all have come. */
#include <errno.h>
#include <pthread.h>

#include "tasks.h"

enum { PARTIES = 4 };

/* ---- meeting */

struct meeting { plait_barrier barrier; int rounds; _Atomic int came[64], places[64], acted; };
static struct meeting meeting;

static int meet_often(void *arg)
{
        (void)arg;
        for (int i = 0; i < meeting.rounds; i++) {
                int place;

                meeting.came[i % 64]++;
                place = plait_barrier_wait(&meeting.barrier);
                CHECK(place >= 0 && place < PARTIES);
                CHECK_EQUAL(meeting.came[i % 64], PARTIES);     /* nobody goes on before all have come */
                meeting.places[i % 64] |= 1 << place;
                place = plait_barrier_wait(&meeting.barrier);
                CHECK_EQUAL(meeting.places[i % 64], (1 << PARTIES) - 1);        /* each place once */
                if (place == 0)
                        meeting.came[(i + 1) % 64] = meeting.places[(i + 1) % 64] = 0;
                CHECK((place = plait_barrier_wait(&meeting.barrier)) >= 0);
        }
        return 0;
}

static int note_action(void *arg)
{
        _Atomic int *acted = arg;

        plait_ignore(plait_yield());
        return ++*acted;                        /* positive: a success */
}

static void meet_with(bool action, int rounds)
{
        meeting = (struct meeting){.barrier = {.parties = PARTIES}, .rounds = rounds};
        if (action) {
                meeting.barrier.action = note_action;
                meeting.barrier.action_arg = &meeting.acted;
        }
}

TEST_ON_EXECUTORS(all_meet_again_and_again_each_with_a_place_of_its_own)
{
        for (int action = 0; action < 2; action++) {
                PLAIT_GROUP(group, .executor = test_executor());

                meet_with(action, 100);
                for (int i = 0; i < PARTIES; i++)
                        plait_group_start(&group, meet_often, NULL, 0);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                CHECK_EQUAL(meeting.acted, action ? 3 * 100 : 0);
                CHECK_EQUAL(plait_barrier_waiting(&meeting.barrier), 0);
                CHECK(!plait_barrier_is_broken(&meeting.barrier));
        }
}

static void *two_coroutines(void *arg)
{
        PLAIT_GROUP(group, .name = "pair");

        plait_group_start(&group, meet_often, arg, 0);
        plait_group_start(&group, meet_often, arg, 0);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        return NULL;
}

static void *plain(void *arg)
{
        meet_often(arg);
        return NULL;
}

TEST(mixed_strands_meet, .seconds = 40)
{
        static void *(*const mixes[][PARTIES + 1])(void *) = {{two_coroutines, two_coroutines}, {two_coroutines, plain, plain}};

        for (int mix = 0; mix < 2; mix++) {
                pthread_t threads[PARTIES];
                int count;

                meet_with(true, 500 / (int)test_slower());
                for (count = 0; mixes[mix][count]; count++)
                        CHECK_EQUAL(pthread_create(&threads[count], NULL, mixes[mix][count], NULL), 0);
                for (int i = 0; i < count; i++)
                        pthread_join(threads[i], NULL);
                CHECK_EQUAL(meeting.acted, 3 * meeting.rounds);
        }
}

TEST(a_party_of_one_does_not_wait)
{
        _Atomic int acted = 0;
        plait_barrier alone = {.parties = 1, .action = note_action, .action_arg = &acted};

        for (int i = 1; i < 4; i++) {
                CHECK_EQUAL(plait_barrier_wait(&alone), 0);
                CHECK_EQUAL(acted, i);
        }
}

/* ---- breaking */

static plait_barrier barrier;
static plait_event go;
static _Atomic int acting;

static int meet(void *arg)
{
        *(int *)arg = plait_barrier_wait(&barrier);
        return 0;
}

static int act_when_told(void *arg)
{
        int rc;

        acting++;
        rc = plait_event_wait(&go);
        acting--;
        return rc < 0 ? rc : *(int *)arg;
}

struct party { plait_task *tasks[8]; int results[8]; };

static void fresh(plait_fn *action, int *result)
{
        barrier = (plait_barrier){.parties = 3, .action = action, .action_arg = result};
        plait_event_clear(&go);
        acting = 0;
}

/* The one that comes as `first + i` gets results[first + i]. */
static void send_in(struct party *party, plait_group *group, int first, int count)
{
        for (int i = first; i < first + count; i++) {
                party->results[i] = 99;
                party->tasks[i] = plait_group_start(group, meet, &party->results[i], sizeof party->results[i]);
                test_until_parked(group);
        }
}

static void check_results(const struct party *party, int first, int a, int b, int c)
{
        CHECK_EQUAL(party->results[first], a);
        CHECK_EQUAL(party->results[first + 1], b);
        CHECK_EQUAL(party->results[first + 2], c);
}

TEST_ON_EXECUTORS(a_wait_that_is_cut_short_breaks_it_for_all)
{
        for (int victim = 0; victim < 2; victim++) {
                struct party party;
                PLAIT_GROUP(group, .executor = test_executor());

                fresh(NULL, NULL);
                send_in(&party, &group, 0, 2);
                CHECK_EQUAL(plait_barrier_waiting(&barrier), 2);
                plait_task_cancel(party.tasks[victim]);
                CHECK_EQUAL(plait_task_wait(party.tasks[victim], NULL), 0);
                CHECK_EQUAL(plait_task_wait(party.tasks[!victim], NULL), 0);
                CHECK(party.results[victim] == -ECANCELED && party.results[!victim] == -EPIPE);
                CHECK(plait_barrier_is_broken(&barrier) && plait_barrier_waiting(&barrier) == 0);
                CHECK_EQUAL(plait_barrier_wait(&barrier), -EPIPE);
                plait_barrier_reset(&barrier);
                CHECK(!plait_barrier_is_broken(&barrier));
                send_in(&party, &group, 0, 3);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                check_results(&party, 0, 0, 1, 2);
        }
}

TEST_ON_EXECUTORS(one_that_does_not_even_come_in_breaks_it_too)
{
        struct party party;
        PLAIT_GROUP(group, .executor = test_executor());

        fresh(NULL, NULL);
        send_in(&party, &group, 0, 2);
        {
                PLAIT_WITHIN(0);
                CHECK_EQUAL(plait_barrier_wait(&barrier), -ETIMEDOUT);
        }
        CHECK_EQUAL(plait_group_wait(&group), 0);
        CHECK(party.results[0] == -EPIPE && party.results[1] == -EPIPE);
}

TEST_ON_EXECUTORS(abort_and_reset_send_those_who_wait_away)
{
        struct party party;
        PLAIT_GROUP(group, .executor = test_executor());

        fresh(NULL, NULL);
        send_in(&party, &group, 0, 2);
        plait_barrier_reset(&barrier);
        send_in(&party, &group, 2, 2);             /* a new meeting, of which these are the first two */
        CHECK(party.results[0] == -EPIPE && party.results[1] == -EPIPE);
        CHECK_EQUAL(plait_barrier_waiting(&barrier), 2);
        plait_barrier_abort(&barrier);
        test_until_parked(&group);
        CHECK(party.results[2] == -EPIPE && party.results[3] == -EPIPE);
        send_in(&party, &group, 4, 1);
        CHECK_EQUAL(party.results[4], -EPIPE);
        CHECK_EQUAL(plait_group_wait(&group), 0);
}

/* The last wait of a meeting and a cancel at the same time: all go on, or none does. */
TEST_ON_EXECUTORS(a_cancel_at_the_last_moment_breaks_it_for_all_or_for_nobody)
{
        for (int round = 0; round < 100; round++) {
                struct party party;
                int place;
                PLAIT_GROUP(group, .executor = test_executor());

                fresh(NULL, NULL);
                send_in(&party, &group, 0, 2);
                plait_task_cancel(party.tasks[round % 2]);
                if (round % 3 == 0)
                        plait_ignore(plait_yield());
                place = plait_barrier_wait(&barrier);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                if (place == 2)
                        CHECK(party.results[0] == 0 && party.results[1] == 1);
                else
                        CHECK(place == -EPIPE && party.results[round % 2] == -ECANCELED && party.results[!(round % 2)] == -EPIPE);
        }
}

/* ---- the action */

TEST_ON_EXECUTORS(a_failing_action_breaks_it)
{
        int result = -EIO;
        struct party party;
        PLAIT_GROUP(group, .executor = test_executor());

        fresh(act_when_told, &result);
        plait_event_set(&go);
        send_in(&party, &group, 0, 3);
        check_results(&party, 0, -EPIPE, -EPIPE, -EIO);
        CHECK(plait_barrier_is_broken(&barrier));
        plait_barrier_reset(&barrier);
        result = 0;
        send_in(&party, &group, 0, 3);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        check_results(&party, 0, 0, 1, 2);
}

TEST_ON_EXECUTORS(newcomers_wait_for_the_action_and_are_the_next_meeting)
{
        int result = 0;
        struct party party;
        PLAIT_GROUP(group, .executor = test_executor());

        fresh(act_when_told, &result);
        send_in(&party, &group, 0, 6);
        CHECK_EQUAL(acting, 1);
        CHECK_EQUAL(plait_barrier_waiting(&barrier), 3);
        plait_event_set(&go);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        check_results(&party, 0, 0, 1, 2);
        CHECK_EQUAL(party.results[3] + party.results[4] + party.results[5], 0 + 1 + 2);
}

TEST_ON_EXECUTORS(whoever_is_cancelled_while_the_action_runs)
{
        for (int victim = 0; victim < 5; victim++) {
                int result = 0;
                struct party party;
                PLAIT_GROUP(group, .executor = test_executor());

                fresh(act_when_told, &result);
                send_in(&party, &group, 0, 5);     /* the third acts, two are newcomers */
                plait_task_cancel(party.tasks[victim]);
                test_until_parked(&group);
                plait_event_set(&go);
                CHECK_EQUAL(plait_group_wait(&group), 0);
                test_note("victim %d", victim);
                for (int i = 0; i < 5; i++) {
                        if (i == victim)
                                CHECK_EQUAL(party.results[i], -ECANCELED);
                        else if (victim < 3 || i >= 3)
                                CHECK_EQUAL(party.results[i], -EPIPE);
                        else
                                CHECK_EQUAL(party.results[i], i);       /* a newcomer spoils the next meeting only */
                }
                CHECK(plait_barrier_is_broken(&barrier));
        }
}

TEST_ON_EXECUTORS(a_reset_while_the_action_runs_sends_all_away)
{
        int result = 0;
        struct party party;
        PLAIT_GROUP(group, .executor = test_executor());

        fresh(act_when_told, &result);
        send_in(&party, &group, 0, 4);
        plait_barrier_reset(&barrier);
        test_until_parked(&group);
        CHECK(party.results[0] == -EPIPE && party.results[1] == -EPIPE && party.results[3] == -EPIPE);
        send_in(&party, &group, 4, 1);             /* waits for the old action to end */
        plait_event_set(&go);
        test_until_parked(&group);
        CHECK_EQUAL(party.results[2], -EPIPE);
        send_in(&party, &group, 5, 2);
        CHECK_EQUAL(plait_group_wait(&group), 0);
        check_results(&party, 4, 0, 1, 2);
}

/* ---- misuse */

TEST(a_null_pointer_is_refused)
{
        CHECK_EQUAL(plait_barrier_wait(NULL), -EINVAL);
}

TEST_ABORTS(a_barrier_of_nobody, "plait_barrier_wait: the barrier has no parties")
{
        plait_barrier nobody = {0};

        plait_ignore(plait_barrier_wait(&nobody));
}

static int wait_inside(void *arg)
{
        return plait_barrier_wait(arg);
}

TEST_ABORTS(waiting_in_the_action, "plait_barrier_wait: called from the barrier's own action")
{
        barrier = (plait_barrier){.parties = 1, .action = wait_inside, .action_arg = &barrier};
        plait_ignore(plait_barrier_wait(&barrier));
}
