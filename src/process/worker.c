/* A worker: one thread, whose main line takes tasks and runs them as its own, and whose loop runs what those start.
 *
 * A task runs in a group that lies in its job, in the region: its deadline is the moment that the parent wrote there, and its
 * cancel is the parent's write to the scope's word, which every check along the chain of scopes sees at once; a parked task is
 * woken besides (attention). The other words of that group are used by this process alone.
 *
 * Waiting for work and waiting inside a task are the same: the loop sleeps in the slot's bell, a futex in the region, or in its
 * poller, into which an eventfd of the slot's is then registered. Before the worker sleeps it spins for a moment, one worker of a
 * board at a time.
 *
 * Ends: retired (a fresh process's one task, max_tasks_per_worker, the pool is closed) by exit(), so that atexit() handlers run;
 * all else by SIGKILL, from the server or, when that has died, from the kernel. */
#define _GNU_SOURCE
#include "process/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpus.h"
#include "base/panic.h"
#include "base/sys.h"
#include "core/poller.h"
#include "core/strand.h"
#include "process/function.h"
#include "process/worker_inside.h"
#include "task/executor.h"
#include "task/group.h"

#define SPIN_NS (10 * PLAIT_US)
#define SOON_NS (50 * PLAIT_US)

enum { HOT_MAX = 8, COLD = 64 };

bool plait__in_worker;

struct plait__me plait__me;

/* ---- what a task runs in */

static void no_cancel(struct plait_executor *self, struct plait_task *task)
{
        (void)self;
        (void)task;
}

static const struct plait__executor_class no_class = {.cancel = no_cancel};
static struct plait_executor no_executor = {.class = &no_class, .name = "worker", .constant = true};

/* Opens the group around one task. Its scope's `cancelled` is the parent's to write: not touched. */
void plait__worker_group(plait_group *group, plait_time deadline, const char *name, struct plait_task *task)
{
        struct plait__group *inner = plait__group_of(group);
        _Atomic uint32_t *word = &inner->scope.cancelled;

        memset(inner, 0, (size_t)((char *)word - (char *)inner));
        memset(word + 1, 0, sizeof group->private_ - (size_t)((char *)(word + 1) - (char *)inner));
        group->executor = &no_executor;
        group->within = group->kill_after = 0;
        group->limit = 0;
        group->keep_going = true;
        group->detached = true;
        group->name = name;
        inner->scope.deadline = deadline;
        inner->scope.reach = deadline;
        inner->scope.kind = PLAIT__SCOPE_GROUP;
        inner->scope.group_state = PLAIT__GROUP_OPEN;
        inner->loop = plait__me.loop;
        inner->tasks = task;
        inner->live = inner->begun = inner->owed = 1;
        task->group = group;
}

/* What is called as the task's function. A child that the function forked, and that came back, must not go on as a worker. */
static int run_fn(void *arg)
{
        if (plait__me.task->extra)
                plait__store(&plait__me.job->own_deadline, plait__me.task->extra->deadline);
        plait__me.begun = true;
        plait__me.result = plait__me.fn(arg);
        if (plait__unlikely(plait__load(&plait__loop_forked)))
                _exit(0);
        return 0;
}

/* Runs it as a posted task, whose record goes when it ends; what it returned is in plait__me.result. */
void plait__worker_run_task(struct plait_task *task)
{
        plait__me.task = task;
        plait__group_of(task->group)->owed = 0;
        task->strand.flags = PLAIT__POSTED;
        plait__task_on_line(plait__me.loop, task);
        plait__me.task = NULL;
}

/* What the task has printed is out before its end is known. */
void plait__worker_flush(void)
{
        int saved_errno;

        if (plait__likely(__fpending(stdout) == 0))
                return;
        saved_errno = errno;
        fflush(stdout);
        errno = saved_errno;
}

/* The parent has decided to kill this process, and says of the task that it was killed: so be it. */
_Noreturn void plait__worker_be_killed(void)
{
        for (;;)
                pause();
}

/* ---- tasks */

/* What has ended around a task that has not begun: then it never runs, unless it was posted. */
static int ended_before(struct plait__job *job, struct plait_task *task)
{
        int state = plait__scope_state_from(plait__me.loop, &task->strand, NULL);

        if (job->posted || state < 0)
                return job->posted ? 0 : state;
        if (job->within >= 0)
                return 0;
        plait__store(&job->own_deadline, plait__loop_now(plait__me.loop));
        return -ETIMEDOUT;
}

/* What ended around one that waited for its time to begin. */
static int cut_before(const struct plait__job *job)
{
        uint32_t cancelled = plait__load(&plait__group_scope(&job->group)->cancelled);

        return cancelled == PLAIT__CANCEL_NONE || cancelled == PLAIT__CANCEL_TIMEOUT ? -ETIMEDOUT : -ECANCELED;
}

static int run_job(struct plait__job *job)
{
        struct plait_task *task;
        int result;

        if (plait__me.failed < 0 && !job->posted)
                return plait__me.failed;
        plait__me.fn = plait__function_here(plait__me.head, &job->function);
        if (!plait__me.fn)
                return -ENOEXEC;
        task = plait__record_new(plait__me.loop);
        if (!task)
                return -ENOMEM;
        plait__worker_group(&job->group, job->deadline, job->name[0] ? job->name : NULL, task);
        task->fn = run_fn;
        task->arg = job->size ? plait__at(plait__me.head, job->bytes) : NULL;
        task->size = job->size;
        result = (job->within || job->not_before) && !plait__record_extra(task) ? -ENOMEM : ended_before(job, task);
        if (result < 0) {
                plait__record_free(plait__me.loop, task);
                return result;
        }
        if (job->within || job->not_before) {
                task->extra->within = job->within;
                task->extra->not_before = job->not_before;
        }
        plait__me.job = job;
        plait__me.begun = false;
        plait__worker_run_task(task);
        return plait__me.begun ? plait__me.result : cut_before(job);
}

static void run_claimed(unsigned index, uint64_t word)
{
        struct plait__job *job = &plait__me.head->jobs[index];

        plait__store(&job->pid, plait__me.pid);
        job->result = run_job(job);
        plait__me.tasks++;
        plait__worker_flush();
        if (!plait__claim_swap(&job->word, word, (word & ~PLAIT__IN_FN) | PLAIT__DONE))
                plait__worker_be_killed();
        plait__worker_tell(index);
}

static bool take_task(void)
{
        struct plait__board *board = plait__me.board;
        uint64_t head, entry, word, open;
        struct plait__job *job;

        for (;;) {
                head = plait__load(&board->head);
                if (head == plait__load_acquire(&board->tail))  /* pairs with plait__pool_offer() */
                        return false;
                entry = plait__load(&board->ring[head % PLAIT__RING]);
                job = &plait__me.head->jobs[(uint32_t)entry % PLAIT__JOBS];
                open = plait__claim_open((uint16_t)(entry >> 32), 0);
                word = plait__claim_owned(open, plait__me.owner) | PLAIT__IN_FN;
                if (plait__load(&job->word) != open || !plait__claim_swap(&job->word, open, word))
                        word = 0;
                atomic_compare_exchange_strong_explicit(&board->head, &head, head + 1, memory_order_relaxed, memory_order_relaxed);
                if (word) {
                        run_claimed((uint32_t)entry % PLAIT__JOBS, word);
                        return true;
                }
        }
}

/* ---- waiting */

static bool work_waits(void)
{
        return plait__worker_tasks_wait() || (plait__load(&plait__me.board->maps) && plait__worker_maps_wait()) || plait__load(&plait__me.board->closing);
}

static bool peek(const struct plait__source *source)
{
        (void)source;
        return plait__load(&plait__me.slot->attention) || (!plait__me.task && work_waits());
}

static void look(struct plait__source *source, struct plait__loop *loop)
{
        (void)source;
        if (plait__load(&plait__me.slot->attention)) {
                plait__store(&plait__me.slot->attention, 0);
                if (plait__me.task)
                        plait__wake_below(&plait__me.task->strand, NULL);
        }
        if (!plait__me.task && work_waits())
                plait__unpark(&loop->main->strand);
}

static _Atomic uint64_t *idle_word(void)
{
        return &plait__me.board->idle[plait__me.number / 64];
}

static uint64_t idle_bit(void)
{
        return (uint64_t)1 << plait__me.number % 64;
}

/* The eventfd rings for a loop that sleeps in its poller: each write to it is an edge, so it need not be read. */
static void watch_bell(struct plait__loop *loop)
{
        plait__me.bell_watch.events = POLLIN;
        plait__me.bell_watch.strand = &loop->main->strand;
        plait__me.watched = plait__watch_add(loop, plait__me.own_fd, &plait__me.bell_watch) == 0;
}

static bool arm(struct plait__source *source, struct plait__loop *loop)
{
        (void)source;
        if (plait__unlikely(loop->poller != NULL)) {
                if (!plait__me.watched)
                        watch_bell(loop);
                atomic_store_explicit(&plait__me.slot->in_poller, 1, memory_order_seq_cst);
        }
        if (!plait__me.task)
                atomic_fetch_or_explicit(idle_word(), idle_bit(), memory_order_seq_cst);        /* before we look; see plait__pool_offer() */
        else
                atomic_thread_fence(memory_order_seq_cst);
        return !peek(source);
}

static void disarm(struct plait__source *source, struct plait__loop *loop)
{
        (void)source;
        (void)loop;
        if (!plait__me.task && (plait__load(idle_word()) & idle_bit()))
                atomic_fetch_and_explicit(idle_word(), ~idle_bit(), memory_order_relaxed);
        if (plait__unlikely(plait__load(&plait__me.slot->in_poller)))
                plait__store(&plait__me.slot->in_poller, 0);
}

/* Looks a little longer, if nobody else does; true: there is work. Only when that has paid lately. (The parent
 * does not spin after it has woken a worker: the kernel likes to place whom it wakes on the waker's processor, where the worker
 * would wait until the parent stops. The same rule here made no difference; giving way first cost milliseconds on a busy machine.) */
static bool spin(void)
{
        uint32_t nobody = 0;
        plait_time end;
        bool found;

        if (plait__cpus() < 2 || !plait__me.hot ||
            !atomic_compare_exchange_strong_explicit(&plait__me.board->spinning, &nobody, plait__me.owner, memory_order_seq_cst, memory_order_relaxed))
                return false;
        end = plait__clock_now() + SPIN_NS;
        do {
                for (int i = 0; i < 32 && !(found = work_waits()); i++)
                        plait__pause();
        } while (!found && plait__clock_now() < end);
        atomic_store_explicit(&plait__me.board->spinning, 0, memory_order_seq_cst);
        if (!found && --plait__me.hot == 0)
                plait__me.cold = COLD;                 /* the parent may want our processor: the next spin would be in vain as well */
        return found || work_waits();
}

static void wait_for_work(void)
{
        plait_time began;
        bool found = spin();

        if (found || work_waits()) {
                plait__me.hot += found && plait__me.hot < HOT_MAX;
                return;
        }
        began = plait__clock_now();
        plait__park(&plait__me.loop->main->strand, PLAIT__ON_WORK, PLAIT_FOREVER);
        if (plait__me.cold)
                plait__me.cold--;
        else if (plait__me.hot < HOT_MAX && plait__clock_now() - began < SOON_NS)
                plait__me.hot++;
}

/* Who takes one of several tasks wakes the next worker. */
static void wake_another(void)
{
        uint64_t idle, one = 1;
        unsigned words = (plait__me.board->slot_count + 63) / 64, i, slot;

        if (plait__load(&plait__me.board->tail) - plait__load(&plait__me.board->head) == 0 || plait__load(&plait__me.board->spinning))
                return;
        for (i = 0; i < words; i++) {
                idle = plait__load(&plait__me.board->idle[i]);
                if (!idle)
                        continue;
                slot = i * 64 + (unsigned)__builtin_ctzll(idle);
                if (plait__load(&plait__me.board->slots[slot].in_poller)) {
                        plait__sys.write(plait__me.monitor_fd, &one, sizeof one);      /* the parent has its eventfd */
                        return;
                }
                if (!(atomic_fetch_and_explicit(&plait__me.board->idle[i], ~(idle & -idle), memory_order_relaxed) & (idle & -idle)))
                        continue;
                plait__store(&plait__me.board->slots[slot].bell, 1);
                plait__sys.futex(&plait__me.board->slots[slot].bell, FUTEX_WAKE, 1, NULL, 0);
                return;
        }
}

/* ---- life */

static void prefer_for_oom(void)
{
        int fd = (int)plait__sys.openat(AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);

        if (fd < 0)
                return;
        plait__sys.write(fd, "500", 3);
        plait__sys.close(fd);
}

static int initialize(void)
{
        const struct plait__board *board = plait__me.board;
        plait_fn *fn;
        void *arg = NULL;
        int rc;

        if (!board->has_initializer)
                return 0;
        fn = plait__function_here(plait__me.head, &board->initializer);
        if (!fn)
                return -ENOEXEC;
        if (board->initializer_arg_size) {
                arg = plait__sys.alloc(board->initializer_arg_size);
                if (!arg)
                        return -ENOMEM;
                memcpy(arg, plait__at(plait__me.head, board->initializer_arg), board->initializer_arg_size);
        }
        rc = fn(arg);
        plait__sys.free(arg);
        return rc < 0 ? rc : 0;
}

static void begin(const struct plait__worker_place *place)
{
        plait__in_worker = true;
        plait__me.head = place->head;
        plait__me.board = place->board;
        plait__me.number = place->slot;
        plait__me.owner = place->slot + 1;
        plait__me.slot = &plait__me.board->slots[place->slot];
        plait__me.monitor_fd = place->monitor_fd;
        plait__me.own_fd = place->own_fd;
        plait__me.pid = (uint32_t)plait__sys.getpid();
        plait__sys.prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (plait__sys.getppid() != place->server)
                _exit(0);                       /* it had died before: nobody will hear of us */
        plait__store(&plait__me.slot->pid, plait__me.pid);
        prefer_for_oom();
        plait__store(&plait__loop_forked, false);       /* this child may use plait: nothing of it was in use before */
        atomic_fetch_add_explicit(&plait__cancels, 1, memory_order_relaxed);   /* the parent's are not counted: always look */
        plait__me.loop = plait__loop_get("worker");
        if (!plait__me.loop)
                _exit(126);
        plait__me.source = (struct plait__source){.peek = peek, .look = look, .arm = arm, .disarm = disarm};
        plait__me.loop->sources = &plait__me.source;
        plait__store(&plait__me.loop->bell, &plait__me.slot->bell);
        plait__me.failed = initialize();
        plait__store_release(&plait__me.slot->state, PLAIT__SLOT_READY);
        atomic_fetch_add_explicit(&plait__me.board->readies, 1, memory_order_relaxed);
}

void plait__worker_run(const struct plait__worker_place *place)
{
        begin(place);
        while (!plait__worker_retires()) {
                wake_another();
                if (take_task() || plait__worker_take_map())
                        continue;
                if (plait__load(&plait__me.board->closing))
                        break;
                wait_for_work();
        }
        plait__store(&plait__me.slot->state, PLAIT__SLOT_RETIRED);
        exit(0);
}
