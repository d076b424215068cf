/* The service: takes requests in, lets libcurl work on what is ready, hands results out, and parks. One turn does each
 * for all that are due, so that 64 at once cost one call of the kernel where they can.
 *
 * Every call into libcurl is made here and in the files beside on the service's stack; only at the end of a thread is
 * it the thread's own. */
#include "driver.h"

#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/sys.h"
#include "core/strand.h"

enum {
        STACK_BYTES = (256 << 10) - PLAIT__STACK_GUARD,
        TURNS = 16                              /* without letting others run, as long as sockets are ready */
};

#define LONGEST (2 * PLAIT_MS)                  /* likewise: a flood keeps libcurl busy for long in one turn */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode global = CURLE_FAILED_INIT;

static void global_init(void)
{
        global = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- libcurl's side */

static int on_timer(CURLM *multi, long timeout_ms, void *value)
{
        struct http_driver *driver = value;

        (void)multi;
        driver->timer = timeout_ms < 0 ? PLAIT_FOREVER :
                        plait__clock_after(plait__loop_now(driver->loop), timeout_ms * PLAIT_MS);
        return 0;
}

static CURLM *multi_of(struct http_driver *driver)
{
        CURLM *multi = driver->multi;

        if (multi)
                return multi;
        pthread_once(&once, global_init);
        if (global)
                return NULL;
        multi = curl_multi_init();
        if (!multi)
                return NULL;
        curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, plait__http_on_socket);
        curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, driver);
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
        curl_multi_setopt(multi, CURLMOPT_TIMERDATA, driver);
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)HTTP_CONNECTIONS_KEPT);
        driver->timer = PLAIT_FOREVER;
        driver->multi = multi;
        return multi;
}

static void close_multi(struct http_driver *driver)
{
        if (driver->multi)
                curl_multi_cleanup(driver->multi);
        driver->multi = NULL;
        driver->timer = PLAIT_FOREVER;
}

/* A thread that libcurl started, for a name, has our mask: no signal of the program's is handled there. */
static void unmask(struct http_driver *driver)
{
        if (!driver->masked)
                return;
        driver->masked = false;
        pthread_sigmask(SIG_SETMASK, &driver->mask, NULL);
}

/* ---- requests */

static void done(struct http_request *request, int result)
{
        if (request->link.next)
                plait__list_remove(&request->link);
        request->transfer = NULL;
        request->result = result;
        request->state = HTTP_DONE;
        plait__grant(request->strand);
}

/* The transfer is over, or given up: out of libcurl, and back into the stock. */
static void release(struct http_transfer *transfer)
{
        curl_multi_remove_handle(transfer->driver->multi, transfer->easy);
        plait__list_remove(&transfer->link);
        plait__http_transfer_keep(transfer);
}

static void begin(struct http_driver *driver, struct http_request *request)
{
        int rc = -ENOMEM;

        plait__list_remove(&request->link);
        if (multi_of(driver))
                rc = plait__http_transfer_take(driver, request);
        if (rc == 0 && curl_multi_add_handle(driver->multi, request->transfer->easy)) {
                plait__http_transfer_keep(request->transfer);
                rc = -ENOMEM;
        }
        if (rc < 0) {
                plait__http_say(request->response, request->url, NULL, rc);
                done(request, rc);
                return;
        }
        request->state = HTTP_RUNNING;
        plait__list_append(&driver->running, &request->transfer->link);
}

static void begin_incoming(struct http_driver *driver)
{
        struct plait__link *link;

        while ((link = plait__list_first(&driver->incoming)))
                begin(driver, plait__container(link, struct http_request, link));
}

static void drop_cut(struct http_driver *driver)
{
        struct http_request *request;
        struct plait__link *link;

        while ((link = plait__list_first(&driver->cut))) {
                request = plait__container(link, struct http_request, link);
                plait__http_say(request->response, request->url, request->transfer, request->result);
                release(request->transfer);
                done(request, request->result);
        }
}

static void finish(struct http_transfer *transfer, CURLcode code)
{
        struct http_request *request = transfer->request;
        int rc = plait__http_explain(transfer, code, request->response);

        if (rc == 0)
                rc = plait__http_transfer_body(transfer, request->response);
        release(transfer);
        done(request, rc);
}

static void finish_ended(struct http_driver *driver)
{
        struct http_transfer *transfer;
        CURLMsg *message;
        int left;

        while (driver->multi && (message = curl_multi_info_read(driver->multi, &left))) {
                if (message->msg != CURLMSG_DONE)
                        continue;
                curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&transfer);
                finish(transfer, message->data.result);
        }
}

/* libcurl has said that it cannot go on: no memory. All that runs ends with that; the next request begins afresh. */
static void give_up(struct http_driver *driver)
{
        struct plait__link *link;

        finish_ended(driver);
        while ((link = plait__list_first(&driver->running)))
                finish(plait__container(link, struct http_transfer, link), CURLE_OUT_OF_MEMORY);
        close_multi(driver);
}

/* ---- the service */

static bool run_timer(struct http_driver *driver)
{
        int running;

        if (driver->timer == PLAIT_FOREVER || driver->timer > plait__loop_now(driver->loop))
                return true;
        driver->timer = PLAIT_FOREVER;          /* it says so if it wants another */
        return curl_multi_socket_action(driver->multi, CURL_SOCKET_TIMEOUT, 0, &running) == CURLM_OK;
}

static void turn(struct http_driver *driver)
{
        bool fine;

        drop_cut(driver);
        begin_incoming(driver);
        fine = run_timer(driver) && plait__http_sockets_act(driver);
        unmask(driver);
        if (!fine)
                give_up(driver);
        finish_ended(driver);
        plait__http_sockets_ask(driver);
}

static bool has_work(const struct http_driver *driver)
{
        return driver->fired || !plait__list_empty(&driver->hot) || !plait__list_empty(&driver->incoming) ||
               !plait__list_empty(&driver->cut) || driver->timer <= driver->loop->now;
}

/* libcurl 7.88 looks at its idle connections only when the next request comes. When the other side has hung up on all
 * of them, and nothing runs, they are closed: else their descriptors would stay for as long as the program is busy
 * elsewhere. */
static void close_hung_up(struct http_driver *driver)
{
        if (driver->multi && driver->connected && driver->connected == driver->hung_up &&
            plait__list_empty(&driver->running))
                close_multi(driver);
}

static int serve(void *value)
{
        struct http_driver *driver = value;
        plait_time resumed = driver->loop->now;
        unsigned turns = 0;

        for (;;) {
                turn(driver);
                if (!has_work(driver)) {
                        close_hung_up(driver);
                        plait__park(driver->service, PLAIT__ON_POLL, driver->timer);
                } else if (++turns % TURNS == 0 || plait__loop_now(driver->loop) - resumed > LONGEST)
                        plait_ignore(plait_yield());
                else
                        continue;
                resumed = driver->loop->now;
        }
        return 0;
}

/* ---- its life */

/* The thread ends: its strands have ended, so nothing runs. */
static void driver_end(void *value)
{
        struct http_driver *driver = value;

        plait__http_transfers_end(driver);
        close_multi(driver);
        plait__http_sockets_end(driver);
        plait__sys.free(driver);
}

struct http_driver *plait__http_driver(struct plait__loop *loop)
{
        void **place = plait__loop_local(loop, HTTP_LOCAL, driver_end);
        struct http_driver *driver = *place;

        if (driver)
                return driver;
        driver = plait__sys.alloc(sizeof *driver);
        if (!driver)
                return NULL;
        driver->loop = loop;
        driver->timer = PLAIT_FOREVER;
        driver->service = plait__service_start(loop, serve, driver, STACK_BYTES);
        if (!driver->service) {
                plait__sys.free(driver);
                return NULL;
        }
        *place = driver;
        return driver;
}
