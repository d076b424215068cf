#define _GNU_SOURCE
#include "core/poller.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/atomic.h"
#include "base/sys.h"
#include "core/strand.h"

enum { CHUNK = 256, CHUNKS = 16384, EVENTS = 64 };      /* 4 million descriptors */

#define BELL UINT64_MAX                         /* the eventfd's data */

/* What a descriptor's number stands for, in the whole process. */
struct descriptor {
        _Atomic uint32_t generation;
        _Atomic uint16_t loops;                 /* where it is registered, in this generation */
        _Atomic uint16_t ours;
};

/* What one loop knows of it. */
struct entry {
        struct plait__link watches;
        uint32_t generation;                    /* for which it is registered */
        bool registered;
        bool drained;                           /* a short read told that nothing more is there; no event since */
        bool hung;                              /* its end was seen: no further event will tell of it */
};

struct plait__poller {
        int epoll, bell;
        bool no_pwait2;                         /* the kernel (before 5.11, or an emulator) has milliseconds only */
        _Atomic bool closed;                    /* plait_close() on another thread concerns this loop */
        struct entry *chunks[CHUNKS];
        struct epoll_event events[EVENTS];      /* here and not on the stack of whoever idles */
};

static _Atomic(struct descriptor *) descriptors[CHUNKS];
static plait__spin across;                      /* held while one loop's thread touches another loop's poller */

static struct descriptor *descriptor_of(int fd)
{
        _Atomic(struct descriptor *) *place;
        struct descriptor *chunk, *made;

        if (fd < 0 || fd >= CHUNK * CHUNKS)
                return NULL;
        place = &descriptors[fd / CHUNK];
        chunk = plait__load_acquire(place);     /* pairs with the exchange below */
        if (!chunk) {
                made = plait__sys.alloc(CHUNK * sizeof *made);
                if (!made)
                        return NULL;
                if (atomic_compare_exchange_strong_explicit(place, &chunk, made, memory_order_acq_rel, memory_order_acquire))
                        chunk = made;
                else
                        plait__sys.free(made);
        }
        return &chunk[fd % CHUNK];
}

/* The loop's entry, or NULL: it has none yet. */
static struct entry *entry_find(const struct plait__poller *poller, int fd)
{
        if (!poller || fd < 0 || fd >= CHUNK * CHUNKS || !poller->chunks[fd / CHUNK])
                return NULL;
        return &poller->chunks[fd / CHUNK][fd % CHUNK];
}

static struct entry *entry_make(struct plait__poller *poller, int fd)
{
        struct entry **chunk = &poller->chunks[fd / CHUNK];

        if (!*chunk)
                *chunk = plait__sys.alloc(CHUNK * sizeof **chunk);
        return *chunk ? &(*chunk)[fd % CHUNK] : NULL;
}

/* ---- opening and closing the poller */

static int poller_need(struct plait__loop *loop)
{
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = BELL};
        struct plait__poller *poller;
        int rc;

        if (loop->poller)
                return 0;
        poller = plait__sys.alloc(sizeof *poller);
        if (!poller)
                return -ENOMEM;
        poller->bell = -1;
        poller->epoll = rc = (int)plait__sys.epoll_create1(EPOLL_CLOEXEC);
        if (rc < 0)
                goto fail;
        poller->bell = rc = (int)plait__sys.eventfd2(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (rc < 0)
                goto fail;
        rc = (int)plait__sys.epoll_ctl(poller->epoll, EPOLL_CTL_ADD, poller->bell, &event);
        if (rc < 0)
                goto fail;
        loop->poller = poller;
        return 0;
fail:
        if (poller->bell >= 0)
                plait__sys.close(poller->bell);
        if (poller->epoll >= 0)
                plait__sys.close(poller->epoll);
        plait__sys.free(poller);
        return rc;
}

void plait__poller_end(struct plait__loop *loop)
{
        struct plait__poller *poller = loop->poller;
        int i;

        if (!poller)
                return;
        plait__spin_acquire(&across);           /* nobody looks at loop->poller while it goes */
        plait__spin_acquire(&loop->ringing);
        loop->poller = NULL;
        plait__spin_release(&loop->ringing);
        plait__spin_release(&across);
        plait__sys.close(poller->epoll);
        plait__sys.close(poller->bell);
        for (i = 0; i < CHUNKS; i++)
                plait__sys.free(poller->chunks[i]);
        plait__sys.free(poller);
}

/* ---- registering */

static void entry_fire(struct entry *entry, uint32_t revents);

/* A file that is registered already is so once more: an edge comes if it is ready now. */
static int tell_kernel(struct plait__poller *poller, int fd, uint32_t generation, bool known)
{
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET,
                                    .data.u64 = (uint64_t)generation << 32 | (uint32_t)fd};
        int rc = (int)plait__sys.epoll_ctl(poller->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);

        if (rc == -ENOENT || rc == -EEXIST)     /* its number has been reused behind our back, or a duplicate keeps it alive */
                rc = (int)plait__sys.epoll_ctl(poller->epoll, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
        return rc;
}

static int entry_register(struct plait__poller *poller, struct entry *entry, struct descriptor *descriptor, int fd)
{
        uint32_t generation = plait__load_acquire(&descriptor->generation);    /* pairs with plait__fd_is_new() */
        bool known = entry->registered && entry->generation == generation;
        int rc;

        if (known && plait__load(&descriptor->ours))
                return 0;
        if (entry->registered && !known)
                entry_fire(entry, POLLNVAL);    /* closed by another thread, and this loop has not looked yet */
        rc = tell_kernel(poller, fd, generation, known);
        if (rc < 0)
                return rc;
        if (!known)
                atomic_fetch_add_explicit(&descriptor->loops, 1, memory_order_relaxed);
        entry->registered = true;
        entry->drained = entry->hung = false;
        entry->generation = generation;
        return 0;
}

int plait__watch_add(struct plait__loop *loop, int fd, struct plait__watch *watch)
{
        struct descriptor *descriptor;
        struct entry *entry;
        int rc = poller_need(loop);

        if (rc < 0)
                return rc;
        if (fd < 0 || fd >= CHUNK * CHUNKS)
                return -EBADF;
        descriptor = descriptor_of(fd);
        entry = entry_make(loop->poller, fd);
        if (!descriptor || !entry)
                return -ENOMEM;
        rc = entry_register(loop->poller, entry, descriptor, fd);
        if (rc < 0)
                return rc;
        watch->revents = 0;
        plait__list_append(&entry->watches, &watch->link);
        loop->outside.watches++;
        return 0;
}

void plait__watch_remove(struct plait__watch *watch)
{
        if (!watch->link.next)
                return;
        plait__list_remove(&watch->link);
        watch->strand->loop->outside.watches--;
}

/* ---- waiting */

int plait__fd_wait(struct plait__strand *strand, int fd, uint32_t events, enum plait__reason reason)
{
        struct plait__watch *watch = &strand->watch;
        int rc;

        watch->events = events;
        watch->strand = strand;
        rc = plait__watch_add(strand->loop, fd, watch);
        if (rc < 0)
                return rc;
        while (!watch->revents && !(rc = plait__check(strand)))
                plait__park(strand, reason, strand->deadline);
        plait__watch_remove(watch);
        if (watch->revents)                     /* what completed is not thrown away by a cancel: the caller tries again */
                rc = watch->revents & POLLNVAL ? -EBADF : 0;
        watch->strand = NULL;
        return rc;
}

bool plait__fd_ours(int fd)
{
        struct descriptor *descriptor = descriptor_of(fd);

        return descriptor && plait__load(&descriptor->ours);
}

bool plait__fd_drained(struct plait__loop *loop, int fd)
{
        struct entry *entry = entry_find(loop->poller, fd);

        return entry && entry->drained && entry->generation == plait__load(&descriptor_of(fd)->generation);
}

void plait__fd_set_drained(struct plait__loop *loop, int fd)
{
        struct entry *entry = entry_find(loop->poller, fd);

        if (entry && entry->registered && !entry->hung && entry->generation == plait__load(&descriptor_of(fd)->generation))
                entry->drained = true;
}

/* ---- events */

static void fire(struct plait__watch *watch, uint32_t revents)
{
        struct plait__interest *interest;

        watch->revents |= revents;
        if (watch->events & PLAIT__STICKY) {
                interest = plait__container(watch, struct plait__interest, watch);
                if (!interest->is_fired) {
                        interest->is_fired = true;
                        interest->next_fired = *interest->fired;
                        *interest->fired = interest;
                }
        } else {
                plait__watch_remove(watch);
        }
        plait__unpark(watch->strand);
}

static void entry_fire(struct entry *entry, uint32_t revents)
{
        struct plait__link *link, *next;
        struct plait__watch *watch;

        for (link = entry->watches.next; link && link != &entry->watches; link = next) {
                next = link->next;
                watch = plait__container(link, struct plait__watch, link);
                if (revents & (watch->events | POLLNVAL))
                        fire(watch, revents & (watch->events | POLLERR | POLLHUP | POLLRDHUP | POLLNVAL));
        }
}

/* An error or hang-up is the business of readers and writers both. */
static uint32_t revents_of(uint32_t events)
{
        uint32_t revents = 0;

        if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                revents |= POLLIN;
        if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
                revents |= POLLOUT;
        if (events & EPOLLPRI)
                revents |= POLLPRI;
        if (events & EPOLLERR)
                revents |= POLLERR;
        if (events & EPOLLHUP)
                revents |= POLLHUP;
        if (events & EPOLLRDHUP)
                revents |= POLLRDHUP;
        return revents;
}

static void handle(struct plait__poller *poller, const struct epoll_event *event)
{
        struct entry *entry;

        if (event->data.u64 == BELL)
                return;                         /* edge-triggered: it need not be read */
        entry = entry_find(poller, (int)(uint32_t)event->data.u64);
        if (!entry || entry->generation != event->data.u64 >> 32)
                return;                         /* of an older file with that number */
        entry->drained = false;
        entry->hung |= (event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        entry_fire(entry, revents_of(event->events));
}

/* plait_close() on other threads: whatever is registered for an older generation is gone. */
static void look_closed(struct plait__poller *poller)
{
        struct entry *entry;
        int fd;

        if (!atomic_exchange_explicit(&poller->closed, false, memory_order_acquire))    /* pairs with tell_others() */
                return;
        for (fd = 0; fd < CHUNK * CHUNKS; fd++) {
                if (!poller->chunks[fd / CHUNK]) {
                        fd += CHUNK - 1;
                        continue;
                }
                entry = entry_find(poller, fd);
                if (entry->registered && entry->generation != plait__load(&descriptor_of(fd)->generation))
                        entry_fire(entry, POLLNVAL);
        }
}

void plait__poller_wait(struct plait__loop *loop, plait_time until)
{
        struct plait__poller *poller = loop->poller;
        plait_time span = until == PLAIT_FOREVER ? PLAIT_FOREVER : until > loop->now ? until - loop->now : 0;
        struct plait__kernel_timespec timeout = {span / PLAIT_S, span % PLAIT_S};
        long n = -ENOSYS, i;

        if (!poller->no_pwait2) {
                n = plait__sys.epoll_pwait2(poller->epoll, poller->events, EVENTS, span == PLAIT_FOREVER ? NULL : &timeout);
                if (n == -ENOSYS)
                        poller->no_pwait2 = true;
        }
        if (n == -ENOSYS)
                n = plait__sys.epoll_pwait(poller->epoll, poller->events, EVENTS,
                                           span == PLAIT_FOREVER ? -1 : span > 3600 * PLAIT_S ? 3600000 : (int)((span + PLAIT_MS - 1) / PLAIT_MS));
        loop->polled = plait__loop_now(loop);
        for (i = 0; i < n; i++)
                handle(poller, &poller->events[i]);
        look_closed(poller);
}

void plait__poller_ring(struct plait__loop *loop)
{
        uint64_t one = 1;

        plait__spin_acquire(&loop->ringing);
        if (loop->poller)                       /* else it woke by itself, and its thread has ended */
                plait__sys.write(loop->poller->bell, &one, sizeof one);
        plait__spin_release(&loop->ringing);
}

/* ---- the end of a descriptor */

static void tell_others(struct plait__loop *here)
{
        struct plait__loop *loop;

        plait__spin_acquire(&across);
        for (loop = plait__loop_all(); loop; loop = loop->next) {
                if (loop == here || !loop->poller)
                        continue;
                plait__store_release(&loop->poller->closed, true);      /* pairs with look_closed() */
                plait__poller_ring(loop);
        }
        plait__spin_release(&across);
}

void plait__fd_is_new(int fd, bool ours)
{
        struct descriptor *descriptor = descriptor_of(fd);

        if (!descriptor)
                return;                         /* unknown numbers are registered for each wait */
        plait__store(&descriptor->ours, ours);
        plait__store(&descriptor->loops, 0);
        /* release: the two above, for entry_register() */
        atomic_fetch_add_explicit(&descriptor->generation, 1, memory_order_release);
}

void plait__fd_forget(int fd)
{
        struct plait__loop *loop = plait__loop_here;
        struct descriptor *descriptor = descriptor_of(fd);
        struct entry *entry;
        unsigned others;
        bool mine;

        if (!descriptor)
                return;
        entry = loop ? entry_find(loop->poller, fd) : NULL;
        mine = entry && entry->registered && entry->generation == plait__load(&descriptor->generation);
        others = plait__load(&descriptor->loops);
        plait__fd_is_new(fd, false);
        if (mine) {
                /* a file that lives on under another number would go on sending events for this one */
                plait__sys.epoll_ctl(loop->poller->epoll, EPOLL_CTL_DEL, fd, NULL);
                entry->registered = false;
                entry_fire(entry, POLLNVAL);
        }
        if (others > (unsigned)mine)
                tell_others(loop);
}
