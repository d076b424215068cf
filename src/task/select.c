/* Select. First every case is looked at in turn, and the first that is ready is taken: nobody else knows of the
 * select yet. If none is, it is looked at each once more and joins those who wait for it. From then on exactly one
 * of four claims the select (sync/waiters.h): who hands something to one of its registrations; the select itself,
 * for a case that became ready just before it could join; itself, for a descriptor or a moment, which nobody hands
 * over; itself, to leave. What it did not claim itself it waits for until that is granted. Then all registrations
 * are taken off.
 *
 * Two selects that put to and get from each other's queues hold one guard at a time, and claim themselves before
 * another, never waiting for a claim: they cannot lock each other out. */
#include "plait/select.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

#include "base/clock.h"
#include "base/panic.h"
#include "base/sys.h"
#include "core/poller.h"
#include "core/strand.h"
#include "sync/select.h"

enum { FEW = 8 };                               /* cases for which no memory is asked for */
enum { NONE = INT_MIN, LOST };                  /* beside the number of a case, and errors */
enum flags { FAIR = 1, WAITS = 2 };

/* Those that are not here are the select's own: descriptors and moments. */
static const struct plait__selectable *const selectables[] = {
        [PLAIT__CASE_GET] = &plait__queue_gets,
        [PLAIT__CASE_PUT] = &plait__queue_puts,
        [PLAIT__CASE_EVENT] = &plait__event_is_set,
        [PLAIT__CASE_TASK] = &plait__task_ends,
        [PLAIT__CASE_AT] = NULL,
};

struct select {
        struct plait__select claim;
        plait_case *cases;
        size_t count;
        struct plait__registration *registrations;      /* of each case; written are places, and those that joined */
        uint32_t *order;                        /* in which cases are looked at; drawn as far as needed */
        uint32_t random;
        size_t joined;                          /* so many of that order */
        struct pollfd *fds;
        uint32_t fds_count;
        bool asked;                             /* the kernel, about the descriptors */
        plait_time called, now;                 /* looked at only if a case is a moment */
        plait_time soonest;                     /* of those moments */
};

static struct plait__strand *strand_of(const struct select *select)
{
        return select->claim.strand;
}

/* ---- the cases, before anything is done */

static bool is_fd(const plait_case *one)
{
        return one->private_.kind == PLAIT__CASE_READABLE || one->private_.kind == PLAIT__CASE_WRITABLE;
}

static bool is_valid(const plait_case *one)
{
        switch (one->private_.kind) {
        case PLAIT__CASE_GET:
        case PLAIT__CASE_PUT:
                return one->private_.object && one->private_.item;
        case PLAIT__CASE_EVENT:
                return one->private_.object;
        default:
                return one->private_.kind >= PLAIT__CASE_GET && one->private_.kind <= PLAIT__CASE_AT;
        }
}

static void check_task(const char *call, const struct plait__strand *strand, const plait_task *task)
{
        if (task && strand == &task->strand)
                plait__panic(call, "the task '%s' waits for itself", plait_task_name(task));
        if (task && plait__load(&task->strand.state) == PLAIT__FREE)
                plait__panic(call, "the task is gone: its group has ended");
}

static int check(const char *call, const struct plait__strand *strand, const plait_case *cases, size_t count)
{
        size_t i;

        if (!cases || count == 0 || count > INT_MAX)
                return -EINVAL;
        for (i = 0; i < count; i++) {
                if (!is_valid(&cases[i]))
                        return -EINVAL;
                if (cases[i].private_.kind == PLAIT__CASE_TASK)
                        check_task(call, strand, cases[i].private_.object);
        }
        return 0;
}

static plait_time moment_of(const struct select *select, const plait_case *one)
{
        return one->private_.kind == PLAIT__CASE_AT ? one->private_.time
                                                    : plait__clock_after(select->called, one->private_.time);
}

static void prepare_fd(struct select *select, size_t number)
{
        const plait_case *one = &select->cases[number];
        uint32_t place = select->fds_count++;

        select->fds[place] = (struct pollfd){.fd = one->private_.fd,
                                             .events = one->private_.kind == PLAIT__CASE_READABLE ? POLLIN : POLLOUT};
        select->registrations[number].place = place;
}

static void prepare_moment(struct select *select, size_t number)
{
        plait_time moment;

        if (select->soonest == PLAIT_FOREVER)
                select->called = select->now = plait__loop_now(strand_of(select)->loop);
        moment = moment_of(select, &select->cases[number]);
        if (moment < select->soonest)
                select->soonest = moment;
}

static void prepare(struct select *select)
{
        uint32_t i;

        for (i = 0; i < select->count; i++) {
                select->order[i] = i;
                if (select->cases[i].private_.kind < PLAIT__CASE_READABLE)
                        continue;
                if (is_fd(&select->cases[i]))
                        prepare_fd(select, i);
                else
                        prepare_moment(select, i);
        }
}

/* The number of the case that is looked at as the ith: any of those not drawn yet is as likely, but for 1 in
 * 100,000. Below small bounds there are several numbers in one random one, after Brackett-Rozinsky and Lemire,
 * "Batched ranged random integer generation" (2024). */
static uint32_t draw(struct select *select, size_t i)
{
        struct plait__loop *loop = strand_of(select)->loop;
        uint64_t bound = select->count - i;
        uint32_t number;
        size_t at;

        if (i == 0 || bound >= 8)
                select->random = (uint32_t)(loop->seams.random(loop) >> 32);
        bound *= select->random;
        select->random = (uint32_t)bound;
        at = i + (size_t)(bound >> 32);
        number = select->order[at];
        select->order[at] = select->order[i];
        select->order[i] = number;
        return number;
}

/* ---- descriptors and moments */

static int ask(struct select *select)
{
        struct plait__kernel_timespec at_once = {0, 0}; /* not constant: it may be written to */
        int rc;

        do
                rc = (int)plait__sys.ppoll(select->fds, select->fds_count, &at_once);
        while (rc == -EINTR);
        select->asked = true;
        return rc;
}

/* As the kernel said when it was asked last. */
static bool fd_is_ready(const struct select *select, size_t number, int *ret)
{
        const struct pollfd *fd = &select->fds[select->registrations[number].place];

        *ret = fd->fd < 0 || fd->revents & POLLNVAL ? -EBADF : 0;
        return fd->fd < 0 || fd->revents;
}

static bool moment_has_come(const struct select *select, size_t number)
{
        return moment_of(select, &select->cases[number]) <= select->now;
}

/* Takes a case that nobody hands over, if it is ready. Returns its number, NONE, LOST or an error. */
static int look_own(struct select *select, size_t number, bool claims)
{
        int result = 0;

        if (is_fd(&select->cases[number])) {
                int rc = select->asked ? 0 : ask(select);

                if (rc < 0)
                        return rc;
                if (!fd_is_ready(select, number, &result))
                        return NONE;
        } else if (!moment_has_come(select, number)) {
                return NONE;
        }
        if (claims && !plait__select_claim(&select->claim, (uint32_t)number + 1))
                return LOST;
        select->cases[number].result = result;
        return (int)number;
}

/* Whether the kernel is to be asked again; what plait_close() has closed is not asked about. */
static bool any_fired(struct select *select)
{
        bool any = false;
        size_t i;

        for (i = 0; i < select->joined; i++) {
                uint32_t number = select->order[i];
                struct plait__registration *registration = &select->registrations[number];

                if (!is_fd(&select->cases[number]) || !registration->watch.revents)
                        continue;
                any = true;
                if (registration->watch.revents & POLLNVAL)
                        select->fds[registration->place].fd = -1;
        }
        return any;
}

/* From the moment at which the kernel was asked: what has come since is told to the watch. Returns NONE, or what is
 * wrong. */
static int join_fd(struct select *select, size_t number)
{
        struct plait__registration *registration = &select->registrations[number];
        struct plait__watch *watch = &registration->watch;
        struct pollfd *fd = &select->fds[registration->place];
        int rc;

        *watch = (struct plait__watch){.events = (uint32_t)fd->events | POLLERR | POLLHUP, .strand = strand_of(select)};
        rc = plait__watch_add(strand_of(select)->loop, fd->fd, watch);
        if (rc == -EBADF)                       /* closed just now */
                fd->fd = -1;
        if (rc == -EPERM)                       /* of a kind that is always ready */
                fd->revents = fd->events;
        if (rc == -EBADF || rc == -EPERM)
                return look_own(select, number, true);
        return rc < 0 ? rc : NONE;
}

/* ---- looking, joining, leaving */

/* Returns its number, if it is taken; NONE, LOST or an error. */
static int look(struct select *select, size_t number, bool joins)
{
        plait_case *one = &select->cases[number];
        const struct plait__selectable *selectable = selectables[one->private_.kind];
        struct plait__registration *registration = NULL;
        int result = 0;

        if (!selectable) {
                if (!joins)
                        return look_own(select, number, false);
                return is_fd(one) ? join_fd(select, number) : NONE;
        }
        if (joins) {
                registration = &select->registrations[number];
                registration->select = &select->claim;
                registration->wait.next = registration->wait.prev = NULL;
                registration->object = one->private_.object;
                registration->number = (uint32_t)number;
        }
        switch (selectable->look(one->private_.object, one->private_.item, registration, &result)) {
        case PLAIT__LOOK_TAKEN:
                one->result = result;
                return (int)number;
        case PLAIT__LOOK_LOST:
                return LOST;
        default:
                return NONE;
        }
}

static int look_at_all(struct select *select, bool fair)
{
        size_t i;
        int rc = NONE;

        for (i = 0; i < select->count && rc == NONE; i++)
                rc = look(select, fair ? draw(select, i) : i, false);
        return rc;
}

static int join_all(struct select *select)
{
        int rc = NONE;

        while (select->joined < select->count && rc == NONE)
                rc = look(select, select->order[select->joined++], true);
        return rc;
}

static void leave_all(struct select *select)
{
        const struct plait__selectable *selectable;
        struct plait__registration *registration;
        size_t i;

        for (i = 0; i < select->joined; i++) {
                registration = &select->registrations[select->order[i]];
                selectable = selectables[select->cases[select->order[i]].private_.kind];
                if (selectable)
                        selectable->leave(registration);
                else if (is_fd(&select->cases[select->order[i]]))
                        plait__watch_remove(&registration->watch);
        }
}

/* ---- waiting */

/* Of those that nobody hands over, with every case joined. A moment behind the deadline is too late. */
static int look_at_own(struct select *select)
{
        struct plait__strand *strand = strand_of(select);
        bool fired = select->fds_count && any_fired(select);
        int rc = fired ? ask(select) : 0;
        uint32_t number;
        size_t i;

        if (rc < 0)
                return rc;
        if (select->soonest <= strand->deadline)
                select->now = plait__loop_now(strand->loop);
        for (i = 0, rc = NONE; i < select->count && rc == NONE; i++) {
                number = select->order[i];
                if (!selectables[select->cases[number].private_.kind])
                        rc = look_own(select, number, true);
        }
        for (i = 0; fired && i < select->count && rc == NONE; i++) {
                number = select->order[i];
                if (is_fd(&select->cases[number]) && select->registrations[number].watch.revents)
                        rc = join_fd(select, number);   /* somebody else was faster */
        }
        return rc;
}

/* Returns NONE when somebody has claimed the select. */
static int park(struct select *select)
{
        struct plait__strand *strand = strand_of(select);
        int rc;

        while (plait__load(&select->claim.claim) == PLAIT__SELECT_OPEN) {
                rc = select->fds_count || select->soonest != PLAIT_FOREVER ? look_at_own(select) : NONE;
                if (rc != NONE)
                        return rc;
                rc = plait__check(strand);
                if (rc < 0)
                        return rc;
                plait__park(strand, PLAIT__ON_SELECT,
                            select->soonest < strand->deadline ? select->soonest : strand->deadline);
        }
        return NONE;
}

/* What was handed over. */
static int granted(struct select *select)
{
        uint32_t number = plait__load(&select->claim.claim) - 1;
        const struct plait__selectable *selectable = selectables[select->cases[number].private_.kind];

        plait__wait_uncancelled(strand_of(select), PLAIT__ON_SELECT);
        select->cases[number].result = selectable->outcome ? selectable->outcome(strand_of(select)) : 0;
        return (int)number;
}

static int wait(struct select *select)
{
        int rc;

        plait__store(&strand_of(select)->granted, PLAIT__NOT_GRANTED);
        plait__store(&select->claim.claim, PLAIT__SELECT_OPEN);
        rc = join_all(select);
        if (rc == NONE)
                rc = park(select);
        if (rc == NONE || rc == LOST || (rc < 0 && !plait__select_claim(&select->claim, PLAIT__SELECT_LEFT)))
                rc = granted(select);
        leave_all(select);
        return rc;
}

static int take(struct select *select, unsigned flags)
{
        int rc;

        prepare(select);
        rc = look_at_all(select, flags & FAIR);
        return rc == NONE && flags & WAITS ? wait(select) : rc;
}

/* ---- the calls */

static int take_many(struct select *select, unsigned flags)
{
        size_t count = select->count;
        int rc;

        select->registrations =
                plait__sys.alloc(count * (sizeof *select->registrations + sizeof *select->fds + sizeof *select->order));
        if (!select->registrations)
                return -ENOMEM;
        select->fds = (struct pollfd *)(select->registrations + count);
        select->order = (uint32_t *)(select->fds + count);
        rc = take(select, flags);
        plait__sys.free(select->registrations);
        return rc;
}

static int take_few(struct select *select, unsigned flags)
{
        struct plait__registration registrations[FEW];
        struct pollfd fds[FEW];
        uint32_t numbers[FEW];

        select->registrations = registrations;
        select->fds = fds;
        select->order = numbers;
        return take(select, flags);
}

static int run(const char *call, plait_case *cases, size_t count, unsigned flags)
{
        struct plait__strand *strand = plait__strand_here(call);
        struct select select;                   /* not cleared as a whole, which took a quarter of the call */
        int rc;

        if (!strand)
                return -ENOMEM;
        rc = check(call, strand, cases, count);
        if (rc == 0 && flags & WAITS)
                rc = plait__enter(strand);
        if (rc < 0)
                return rc;
        select.claim.strand = strand;
        select.cases = cases;
        select.count = count;
        select.joined = 0;
        select.fds_count = 0;
        select.asked = false;
        select.soonest = PLAIT_FOREVER;
        return count > FEW ? take_many(&select, flags) : take_few(&select, flags);
}

int plait_select(plait_case *cases, size_t count)
{
        return run(__func__, cases, count, FAIR | WAITS);
}

int plait_select_in_order(plait_case *cases, size_t count)
{
        return run(__func__, cases, count, WAITS);
}

int plait_select_try(plait_case *cases, size_t count)
{
        int rc = run(__func__, cases, count, FAIR);

        return rc == NONE ? -EAGAIN : rc;
}
