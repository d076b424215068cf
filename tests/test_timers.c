/* A loop's timers, beside a model: a sorted array. */
#include <stdlib.h>
#include <string.h>

#include "core/timers.h"
#include "test.h"

enum { TIMERS = 400, STEPS = 20000 };

struct model {
        struct plait__timer timer;
        plait_time moment;
        unsigned long number;                   /* of adding: ties go by it */
        bool armed;
};

static uint64_t state;

static uint64_t number(void)
{
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state;
}

static plait_time random_span(void)
{
        static const plait_time spans[] = {1, 10, PLAIT_US, PLAIT_MS, 300 * PLAIT_MS, PLAIT_S, 3600 * PLAIT_S, 86400 * 80 * PLAIT_S};
        plait_time span = spans[number() % 8];

        return number() % 3 ? (plait_time)(number() % (uint64_t)(span * 2)) : span;
}

static struct model *first_of(struct model *models)
{
        struct model *first = NULL;

        for (int i = 0; i < TIMERS; i++)
                if (models[i].armed && (!first || models[i].moment < first->moment ||
                                        (models[i].moment == first->moment && models[i].number < first->number)))
                        first = &models[i];
        return first;
}

/* What is due is popped, in order, and nothing else. */
static void pop_all(struct plait__timers *timers, struct model *models, plait_time now)
{
        struct plait__timer *timer;

        while ((timer = plait__timers_pop(timers, now))) {
                struct model *first = first_of(models);

                CHECK(first && timer == &first->timer);
                CHECK(first->moment <= now);
                CHECK_EQUAL(timer->place, 0);
                first->armed = false;
        }
        CHECK(!first_of(models) || first_of(models)->moment > now);
}

static void check_next(const struct plait__timers *timers, struct model *models)
{
        const struct model *first = first_of(models);

        if (!first) {
                CHECK(timers->count == 0);
                CHECK(plait__timers_next(timers) == PLAIT_FOREVER);
        } else {
                CHECK(plait__timers_next(timers) <= first->moment);
        }
}

static void go(uint64_t seed)
{
        static struct plait__timers timers;
        static struct model models[TIMERS];
        plait_time now = (plait_time)(seed * 1234567) * PLAIT_MS;
        unsigned long added = 0;

        test_note("seed %lu", (unsigned long)seed);
        state = seed * UINT64_C(0x9E3779B97F4A7C15) | 1;
        memset(models, 0, sizeof models);
        plait__timers_init(&timers, now);
        for (int step = 0; step < STEPS; step++) {
                struct model *model = &models[number() % TIMERS];

                switch (number() % 4) {
                case 0:
                case 1:
                        if (model->armed)
                                break;
                        model->moment = now + random_span() - (number() % 50 ? 0 : PLAIT_MS);
                        if (number() % 8 == 0 && first_of(models))
                                model->moment = first_of(models)->moment;
                        model->number = added++;
                        model->armed = true;
                        plait__timers_add(&timers, &model->timer, model->moment);
                        break;
                case 2:
                        plait__timers_remove(&timers, &model->timer);
                        model->armed = false;
                        break;
                default:
                        if (number() % 16 == 0)
                                now += random_span();
                        else
                                now += (plait_time)(number() % (uint64_t)(2 * PLAIT_MS));
                        pop_all(&timers, models, now);
                }
                if (step % 16 == 0)
                        check_next(&timers, models);
        }
        /* to the end, as a loop goes: from one moment that was told to the next */
        while ((now = plait__timers_next(&timers)) != PLAIT_FOREVER)
                pop_all(&timers, models, now);
        CHECK(!first_of(models));
}

TEST(timers_go_as_in_the_model)
{
        for (uint64_t seed = 1; seed <= 8; seed++)
                go(seed);
}

TEST(equal_moments_go_first_in_first_out)
{
        static struct plait__timer timer[1000];
        static struct plait__timers timers;

        for (plait_time moment = 5; moment < 3600 * PLAIT_S; moment *= 3) {
                plait__timers_init(&timers, 0);
                for (int i = 0; i < 1000; i++)
                        plait__timers_add(&timers, &timer[i], moment);
                CHECK(plait__timers_pop(&timers, moment - 1) == NULL);
                for (int i = 0; i < 1000; i++)
                        CHECK(plait__timers_pop(&timers, moment) == &timer[i]);
                CHECK(plait__timers_pop(&timers, PLAIT_FOREVER - 1) == NULL);
        }
}

TEST(no_timer_is_early_by_a_nanosecond)
{
        static struct plait__timers timers;
        struct plait__timer timer = {0};

        for (plait_time span = 1; span < 86400 * 400 * PLAIT_S; span += span / 7 + 1) {
                plait__timers_init(&timers, 12345);
                plait__timers_add(&timers, &timer, 12345 + span);
                CHECK(plait__timers_pop(&timers, 12345 + span - 1) == NULL);
                CHECK(plait__timers_pop(&timers, 12345 + span) == &timer);
        }
}

TEST(the_far_deadline_of_a_century_is_kept)
{
        static struct plait__timers timers;
        struct plait__timer timer = {0};
        plait_time century = (plait_time)86400 * 36525 * PLAIT_S, now = 7, looks = 0;

        plait__timers_init(&timers, now);
        plait__timers_add(&timers, &timer, century);
        while ((now = plait__timers_next(&timers)) < century) {
                CHECK(plait__timers_pop(&timers, now) == NULL);
                looks++;
        }
        CHECK(looks < 4000);
        CHECK(plait__timers_pop(&timers, century) == &timer);
}

TEST(removing_what_is_not_armed_does_nothing)
{
        static struct plait__timers timers;
        struct plait__timer timer = {0};

        plait__timers_init(&timers, 0);
        plait__timers_remove(&timers, &timer);
        plait__timers_add(&timers, &timer, 3);
        plait__timers_remove(&timers, &timer);
        plait__timers_remove(&timers, &timer);
        CHECK_EQUAL(timers.count, 0);
        CHECK(plait__timers_pop(&timers, 10) == NULL);
}
