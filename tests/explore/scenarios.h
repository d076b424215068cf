#ifndef SCENARIOS_H
#define SCENARIOS_H

#include "explore.h"

#define SCENARIOS(X)                                                                                                   \
        X(unpark)                                                                                                      \
        X(unpark_in_poller)                                                                                            \
        X(ping_pong)                                                                                                   \
        X(two_unparkers)                                                                                               \
        X(two_unparkers_in_poller)                                                                                     \
        X(deadline)                                                                                                    \
        X(grant)                                                                                                       \
        X(record)                                                                                                      \
        X(queue)                                                                                                       \
        X(queue_getters)                                                                                               \
        X(queue_cancel)                                                                                                \
        X(queue_shutdown)                                                                                              \
        X(queue_drain)                                                                                                 \
        X(lock)                                                                                                        \
        X(lock_twice)                                                                                                  \
        X(lock_cancel)                                                                                                 \
        X(lock_cancel_again)                                                                                           \
        X(event)                                                                                                       \
        X(event_cancel)                                                                                                \
        X(event_cleared)                                                                                               \
        X(semaphore)                                                                                                   \
        X(semaphore_cancel)                                                                                            \
        X(condition)                                                                                                   \
        X(condition_all)                                                                                               \
        X(condition_cancel)                                                                                            \
        X(future)                                                                                                      \
        X(future_cancel)                                                                                               \
        X(once)                                                                                                        \
        X(once_cancel)                                                                                                 \
        X(barrier)                                                                                                     \
        X(barrier_cancel)                                                                                              \
        X(barrier_of_three)                                                                                            \
        X(rwlock)                                                                                                      \
        X(rwlock_cancel)                                                                                               \
        X(rwlock_cancel_writer)                                                                                        \
        X(rwlock_readers)                                                                                              \
        X(rwlock_writers)                                                                                              \
        X(group)                                                                                                       \
        X(group_cancel)                                                                                                \
        X(group_detached)

#define SCENARIO_DECLARE(name) extern const struct scenario scenario_##name;
SCENARIOS(SCENARIO_DECLARE)

#endif
