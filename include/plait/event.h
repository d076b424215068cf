/* Events: something has happened, and stays so. */
#ifndef PLAIT_EVENT_H
#define PLAIT_EVENT_H

#include <plait/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An event, for any mix of strands of this process. All zeros is one that is not set. What a strand wrote before it set
 * the event, those see that found it set. Not copied or moved once used; its memory may go when no strand is in a call
 * on it. Its bytes mean nothing in another process. */
typedef struct plait_event {
        uint64_t private_[4];
} plait_event;

/* Sets the event and wakes everyone who waits for it. Set already: nothing. Does not park. */
PLAIT_API void plait_event_set(plait_event *event);

/* Makes it unset. Those who waited when it was set are woken all the same. */
PLAIT_API void plait_event_clear(plait_event *event);

/* Whether it is set now. */
PLAIT_API bool plait_event_is_set(const plait_event *event);

/* Waits until the event is set. Returns 0: it was set, perhaps cleared again since; or -ETIMEDOUT or -ECANCELED. */
PLAIT_WAITS int plait_event_wait(plait_event *event);

#ifdef __cplusplus
}
#endif
#endif
