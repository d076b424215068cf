/* The calls: a request on this strand's stack, handed to the loop's driver. */
#include "plait/http.h"

#include <errno.h>
#include <string.h>

#include "base/sys.h"
#include "core/strand.h"
#include "driver.h"

/* This strand was cut short: the service takes the transfer away from libcurl, which it does at once. If it has ended
 * meanwhile, its result stands. */
static void take_back(struct http_driver *driver, struct http_request *request, int rc)
{
        if (request->state == HTTP_INCOMING) {
                plait__list_remove(&request->link);
                plait__http_say(request->response, request->url, NULL, rc);
                request->result = rc;
                return;
        }
        request->state = HTTP_CUT;
        request->result = rc;
        plait__list_append(&driver->cut, &request->link);
        plait__unpark(driver->service);
        while (request->state != HTTP_DONE)
                plait__park(request->strand, PLAIT__ON_HTTP, PLAIT_FOREVER);
}

static int get(struct plait__strand *strand, const char *url, plait_response *ret)
{
        struct http_driver *driver = plait__http_driver(strand->loop);
        struct http_request request = {.strand = strand, .url = url, .response = ret, .state = HTTP_INCOMING};
        int rc;

        if (!driver)
                return -ENOMEM;
        plait__list_append(&driver->incoming, &request.link);
        plait__store(&strand->granted, PLAIT__NOT_GRANTED);
        plait__unpark(driver->service);
        rc = plait__wait_granted(strand, PLAIT__ON_HTTP, PLAIT_FOREVER);
        if (rc < 0)
                take_back(driver, &request, rc);
        return request.result;
}

int plait_http_get(const char *url, plait_response *ret)
{
        struct plait__strand *strand = plait__strand_here(__func__);
        int rc;

        memset(ret, 0, sizeof *ret);
        rc = strand ? plait__enter(strand) : -ENOMEM;
        if (rc == 0)
                rc = plait__http_check_url(url);
        if (rc == 0)
                rc = get(strand, url, ret);
        if (rc < 0 && !ret->error[0])
                plait__http_say(ret, url, NULL, rc);
        return rc;
}

void plait_response_done(plait_response *response)
{
        plait__not_forked(__func__);
        plait__sys.free(response->body);
        memset(response, 0, sizeof *response);
}
