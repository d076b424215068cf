/* libcurl's sockets in the loop's poller.
 *
 * libcurl expects to be told of a socket for as long as it is ready (it reads 16 KiB of a plain connection and comes
 * back); the poller tells once, when it becomes so. So each socket remembers what it `maybe` is ready for: an edge
 * adds to it, and only the kernel's own answer takes away from it. Whatever libcurl has been called for is doubtful
 * afterwards, as is a socket that libcurl begins to wait for while `maybe` says ready; doubtful ones are asked about
 * together, in one ppoll() that does not wait, and those that are ready still are hot and acted on again. So no
 * transfer is stuck: a socket that is waited for is hot, or the kernel has said since its last edge that it is not
 * ready, and a new edge is sure to come.
 *
 * A connection is watched from its opening to its closing, so that a request on a kept one costs no registering.
 * Others are forgotten as soon as libcurl does not wait for them: the resolver's, which it lends us, and those that
 * never came to be connections, which libcurl 7.88 closes without a word. It may even open the next one under the same
 * number before it looks at what it waits for, find that nothing has changed, and not tell: so a new socket takes over
 * what its number was wanted for. None of them is made known to the poller as one of plait's: then nothing has to be
 * taken back when a number is free again and perhaps another thread's. */
#define _GNU_SOURCE
#include "driver.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/sys.h"
#include "plait/fd.h"

static struct http_socket *socket_of(const struct http_driver *driver, int fd)
{
        return (size_t)fd < driver->sockets_room ? driver->sockets[fd] : NULL;
}

/* ---- which there are */

static int table_reach(struct http_driver *driver, int fd)
{
        size_t room = driver->sockets_room ? driver->sockets_room : 64, i;
        struct http_socket **table;

        if ((size_t)fd < driver->sockets_room)
                return 0;
        while (room <= (size_t)fd)
                room *= 2;
        table = plait__sys.alloc(room * sizeof *table);
        if (!table)
                return -ENOMEM;
        for (i = 0; i < driver->sockets_room; i++)
                table[i] = driver->sockets[i];
        plait__sys.free(driver->sockets);
        driver->sockets = table;
        driver->sockets_room = room;
        return 0;
}

static void forget_turn(struct http_socket *socket)
{
        if (socket->turn.next)
                plait__list_remove(&socket->turn);
}

static void forget_fired(struct http_driver *driver, struct http_socket *socket)
{
        struct plait__interest **place = &driver->fired;

        if (!socket->interest.is_fired)
                return;
        while (*place != &socket->interest)
                place = &(*place)->next_fired;
        *place = socket->interest.next_fired;
}

static void drop(struct http_driver *driver, struct http_socket *socket)
{
        forget_turn(socket);
        forget_fired(driver, socket);
        plait__watch_remove(&socket->interest.watch);
        driver->sockets[socket->fd] = NULL;
        driver->connected -= socket->connected;
        driver->hung_up -= socket->connected && socket->hung_up;
        plait__sys.free(socket);
}

static int add(struct http_driver *driver, int fd, bool lent)
{
        struct http_socket *socket, *before;
        int rc = table_reach(driver, fd);

        if (rc < 0)
                return rc;
        socket = plait__sys.alloc(sizeof *socket);
        if (!socket)
                return -ENOMEM;
        before = driver->sockets[fd];
        if (before) {
                socket->wanted = before->wanted;
                drop(driver, before);
        }
        socket->fd = fd;
        socket->lent = lent;
        socket->interest.fired = &driver->fired;
        socket->interest.watch.events = POLLIN | POLLOUT | PLAIT__STICKY;
        socket->interest.watch.strand = driver->service;
        rc = plait__watch_add(driver->loop, fd, &socket->interest.watch);
        if (rc < 0) {
                plait__sys.free(socket);
                return rc;
        }
        driver->sockets[fd] = socket;
        return 0;
}

curl_socket_t plait__http_open_socket(void *value, curlsocktype purpose, struct curl_sockaddr *address)
{
        struct http_transfer *transfer = value;
        int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol), rc;

        (void)purpose;
        if (fd < 0) {
                if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
                        transfer->failure = -errno;     /* others, an unknown family, are libcurl's to go around */
                return CURL_SOCKET_BAD;
        }
        plait__fd_is_new(fd, false);
        rc = add(transfer->driver, fd, false);
        if (rc < 0) {
                /* -ENOSPC is the kernel's for watches, which are its memory */
                transfer->failure = rc == -EMFILE || rc == -ENFILE ? rc : -ENOMEM;
                plait_close(fd);
                return CURL_SOCKET_BAD;
        }
        return fd;
}

int plait__http_close_socket(void *value, curl_socket_t fd)
{
        struct http_driver *driver = value;
        struct http_socket *socket = socket_of(driver, fd);

        if (socket)
                drop(driver, socket);
        return plait_close(fd) < 0;
}

/* ---- what libcurl waits for */

static void put(struct plait__link *list, struct http_socket *socket)
{
        forget_turn(socket);
        plait__list_append(list, &socket->turn);
}

int plait__http_on_socket(CURL *easy, curl_socket_t fd, int what, void *value, void *unused)
{
        struct http_driver *driver = value;
        struct http_socket *socket = socket_of(driver, fd);

        (void)easy;
        (void)unused;
        if (what == CURL_POLL_REMOVE) {
                if (socket && !socket->connected)
                        drop(driver, socket);
                else if (socket)
                        socket->wanted = 0;
                return 0;
        }
        if (!socket) {
                if (add(driver, fd, true) < 0)
                        return 0;               /* the resolver's: libcurl looks for itself now and then as well */
                socket = driver->sockets[fd];
        }
        socket->wanted = (short)((what & CURL_POLL_IN ? POLLIN : 0) | (what & CURL_POLL_OUT ? POLLOUT : 0));
        if (what & CURL_POLL_IN && !socket->lent && !socket->connected) {
                socket->connected = true;       /* until then it waits to be able to write */
                driver->connected++;
                driver->hung_up += socket->hung_up;
        }
        if (socket->maybe & socket->wanted && !socket->turn.next)
                put(&driver->doubtful, socket);
        return 0;
}

/* ---- what is ready */

static void take_fired(struct http_driver *driver)
{
        struct plait__interest *interest;
        struct http_socket *socket;
        uint32_t revents;

        while ((interest = driver->fired)) {
                driver->fired = interest->next_fired;
                interest->is_fired = false;
                revents = interest->watch.revents;
                interest->watch.revents = 0;
                socket = (struct http_socket *)interest;
                socket->maybe |= (short)(revents & (POLLIN | POLLOUT));
                if (revents & (POLLHUP | POLLRDHUP) && !socket->hung_up) {
                        socket->hung_up = true;
                        driver->hung_up += socket->connected;
                }
                if (socket->maybe & socket->wanted)
                        put(&driver->hot, socket);
        }
}

bool plait__http_sockets_act(struct http_driver *driver)
{
        struct http_socket *socket;
        struct plait__link *link, turn = {0};
        int running, ready;

        take_fired(driver);
        while ((link = plait__list_first(&driver->hot))) {
                plait__list_remove(link);
                plait__list_append(&turn, link);
        }
        while ((link = plait__list_first(&turn))) {
                socket = plait__container(link, struct http_socket, turn);
                ready = socket->maybe & socket->wanted;
                put(&driver->doubtful, socket); /* before libcurl is called, which may close it */
                ready = (ready & POLLIN ? CURL_CSELECT_IN : 0) | (ready & POLLOUT ? CURL_CSELECT_OUT : 0);
                if (ready && curl_multi_socket_action(driver->multi, socket->fd, ready, &running) != CURLM_OK) {
                        while ((link = plait__list_first(&turn)))
                                plait__list_remove(link);
                        return false;
                }
        }
        return true;
}

/* One call of the kernel; `sockets` are those in asked[]. */
static void ask(struct http_driver *driver, struct http_socket **sockets, unsigned count)
{
        struct plait__kernel_timespec at_once = {0, 0}; /* not constant: it may be written to */
        struct http_socket *socket;
        unsigned i;
        short ready;
        long rc;

        while ((rc = plait__sys.ppoll(driver->asked, count, &at_once)) == -EINTR)
                ;
        for (i = 0; i < count; i++) {
                socket = sockets[i];
                ready = driver->asked[i].revents;
                if (rc < 0 || ready & (POLLERR | POLLHUP | POLLNVAL))   /* no answer: libcurl finds out */
                        ready |= socket->wanted;
                socket->maybe = (short)((socket->maybe & ~socket->wanted) | (ready & socket->wanted));
                if (socket->maybe & socket->wanted)
                        put(&driver->hot, socket);
        }
}

void plait__http_sockets_ask(struct http_driver *driver)
{
        struct http_socket *sockets[HTTP_ASKED], *socket;
        struct plait__link *link;
        unsigned count;

        do {
                for (count = 0; count < HTTP_ASKED && (link = plait__list_first(&driver->doubtful));) {
                        plait__list_remove(link);
                        socket = plait__container(link, struct http_socket, turn);
                        if (!(socket->maybe & socket->wanted))
                                continue;       /* nobody waits for it any more, or it has become quiet */
                        driver->asked[count] = (struct pollfd){.fd = socket->fd, .events = socket->wanted};
                        sockets[count++] = socket;
                }
                if (count)
                        ask(driver, sockets, count);
        } while (count == HTTP_ASKED);
}

void plait__http_sockets_end(struct http_driver *driver)
{
        size_t fd;

        for (fd = 0; fd < driver->sockets_room; fd++)
                if (driver->sockets[fd])
                        drop(driver, driver->sockets[fd]);
        plait__sys.free(driver->sockets);
}
