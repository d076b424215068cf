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
#include "task/executor.h"
#include "task/group.h"

#define SPIN_NS (10 * PLAIT_US)
#define SOON_NS (50 * PLAIT_US)

enum { HOT_MAX = 8, COLD = 64 };

bool plait__in_worker;

static struct {
        struct plait__source source;
        struct plait__watch bell_watch;         /* of own_fd, once the loop has a poller */
        bool watched;
        struct plait__region_head *head;
        struct plait__board *board;
        struct plait__slot *slot;
        unsigned number, owner;                 /* the slot's; + 1 */
        int monitor_fd, own_fd;
        uint32_t pid;
        struct plait__loop *loop;
        struct plait_task *task;                /* that runs; NULL: it waits for work */
        plait_fn *fn;                           /* the user's */
        int result;                             /* that it returned */
        struct plait__job *job;                 /* the task that runs */
        unsigned tasks;                         /* that it has run */
        int failed;                             /* the initializer's result */
        uint8_t hot, cold;                      /* credit for spinning; waits that earn none */
        unsigned map_index;                     /* the job of the map in which it is */
} me;

/* ---- what a task runs in */

static void no_cancel(struct plait_executor *self, struct plait_task *task)
{
        (void)self;
        (void)task;
}

static const struct plait__executor_class no_class = {.cancel = no_cancel};
static struct plait_executor no_executor = {.class = &no_class, .name = "worker", .constant = true};

/* Opens the group around one task. Its scope's `cancelled` is the parent's to write: not touched. */
static void group_prepare(plait_group *group, plait_time deadline, const char *name, struct plait_task *task)
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
        inner->loop = me.loop;
        inner->tasks = task;
        inner->live = inner->begun = inner->owed = 1;
        task->group = group;
}

/* What is called as the task's function. A child that the function forked, and that came back, must not go on as a worker. */
static int run_fn(void *arg)
{
        if (me.task->extra)
                me.job->own_deadline = me.task->extra->deadline;
        me.result = me.fn(arg);
        if (plait__unlikely(plait__load(&plait__loop_forked)))
                _exit(0);
        return 0;
}

/* Runs it as a posted task, whose record goes when it ends; what it returned is in me.result. */
static void run(struct plait_task *task)
{
        me.task = task;
        plait__group_of(task->group)->owed = 0;
        task->strand.flags = PLAIT__POSTED;
        plait__task_on_line(me.loop, task);
        me.task = NULL;
}

/* What the task has printed is out before its end is known. */
static void flush(void)
{
        int saved_errno;

        if (plait__likely(__fpending(stdout) == 0))
                return;
        saved_errno = errno;
        fflush(stdout);
        errno = saved_errno;
}

/* The parent has decided to kill this process, and says of the task that it was killed: so be it. */
static _Noreturn void be_killed(void)
{
        for (;;)
                pause();
}

/* ---- tasks */

/* What has ended around a task that has not begun: then it never runs, unless it was posted. */
static int ended_before(const struct plait__job *job, struct plait_task *task)
{
        int state = plait__scope_state_from(me.loop, &task->strand, NULL);

        return job->posted ? 0 : state < 0 ? state : job->within < 0 ? -ETIMEDOUT : 0;
}

static int run_job(struct plait__job *job)
{
        struct plait_task *task;
        int result;

        if (me.failed < 0 && !job->posted)
                return me.failed;
        me.fn = plait__function_here(me.head, &job->function);
        if (!me.fn)
                return -ENOEXEC;
        task = plait__record_new(me.loop);
        if (!task)
                return -ENOMEM;
        group_prepare(&job->group, job->deadline, job->name[0] ? job->name : NULL, task);
        task->fn = run_fn;
        task->arg = job->size ? plait__at(me.head, job->bytes) : NULL;
        task->size = job->size;
        result = job->within && !plait__record_extra(task) ? -ENOMEM : ended_before(job, task);
        if (result < 0) {
                plait__record_free(me.loop, task);
                return result;
        }
        if (job->within)
                task->extra->within = job->within;
        me.job = job;
        run(task);
        return me.result;
}

static void run_claimed(unsigned index, uint64_t word)
{
        struct plait__job *job = &me.head->jobs[index];

        job->pid = me.pid;
        job->result = run_job(job);
        me.tasks++;
        flush();
        if (!plait__claim_swap(&job->word, word, (word & ~PLAIT__IN_FN) | PLAIT__DONE))
                be_killed();
        plait__port_tell(me.head, me.monitor_fd, index);
}

static bool take_task(void)
{
        struct plait__board *board = me.board;
        uint64_t head, entry, word, open;
        struct plait__job *job;

        for (;;) {
                head = plait__load(&board->head);
                if (head == plait__load_acquire(&board->tail))  /* pairs with plait__pool_offer() */
                        return false;
                entry = plait__load(&board->ring[head % PLAIT__RING]);
                job = &me.head->jobs[(uint32_t)entry % PLAIT__JOBS];
                open = plait__claim_open((uint16_t)(entry >> 32), 0);
                word = plait__claim_owned(open, me.owner) | PLAIT__IN_FN;
                if (plait__load(&job->word) != open || !plait__claim_swap(&job->word, open, word))
                        word = 0;
                atomic_compare_exchange_strong_explicit(&board->head, &head, head + 1, memory_order_relaxed, memory_order_relaxed);
                if (word) {
                        run_claimed((uint32_t)entry % PLAIT__JOBS, word);
                        return true;
                }
        }
}

/* ---- maps */

static bool map_open(const struct plait__job *job)
{
        const struct plait__map *map = &job->map;

        return (uint32_t)plait__load(&map->cursor) < map->chunks && !plait__load(&map->stop) && me.owner <= map->workers;
}

static _Atomic uint64_t *chunk_words(const struct plait__map *map)
{
        return plait__at(me.head, map->words);
}

/* The next open chunk: its number and how far it is. */
static bool claim_chunk(struct plait__map *map, uint16_t gen, uint32_t *ret_chunk, uint64_t *ret_word)
{
        uint64_t cursor, word;

        for (;;) {
                cursor = plait__load_acquire(&map->cursor);
                if ((uint32_t)cursor >= map->chunks)
                        return false;
                word = plait__load(&chunk_words(map)[(uint32_t)cursor]);
                if (word == plait__claim_open(gen, plait__claim_progress(word))) {
                        *ret_word = plait__claim_owned(word, me.owner);
                        *ret_chunk = (uint32_t)cursor;
                        if (!plait__claim_swap(&chunk_words(map)[(uint32_t)cursor], word, *ret_word))
                                continue;
                        atomic_compare_exchange_strong_explicit(&map->cursor, &cursor, cursor + 1, memory_order_relaxed,
                                                                memory_order_relaxed);
                        return true;
                }
                atomic_compare_exchange_strong_explicit(&map->cursor, &cursor, cursor + 1, memory_order_relaxed, memory_order_relaxed);
        }
}

/* The owner's next word; with a swap if the parent may have condemned us. */
static inline void set_word(const struct plait__map *map, _Atomic uint64_t *place, uint64_t from, uint64_t to)
{
        if (plait__likely(!map->can_be_killed))
                plait__store_release(place, to);        /* what was written before counts from here on */
        else if (!plait__claim_swap(place, from, to))
                be_killed();
}

static void note_failure(struct plait__map *map, uint64_t item)
{
        uint64_t none = 0;

        if (atomic_compare_exchange_strong_explicit(&map->failed, &none, item + 1, memory_order_release, memory_order_relaxed))
                map->failed_pid = me.pid;
        if (!map->keep_going)
                plait__store(&map->stop, 1);
        plait__port_tell(me.head, me.monitor_fd, me.map_index);
}

static uint64_t chunk_start(const struct plait__map *map, uint32_t chunk)
{
        const uint64_t *starts = plait__at(me.head, map->starts);

        return map->chunk ? chunk * map->chunk : starts[chunk];
}

static uint64_t chunk_end(const struct plait__map *map, uint32_t chunk)
{
        return chunk + 1 == map->chunks ? map->count : chunk_start(map, chunk + 1);
}

static bool retires(void)
{
        return me.board->tasks_max && me.tasks >= me.board->tasks_max;
}

/* The items of one chunk; false: this worker retires, and leaves the rest to others. */
static bool run_chunk(struct plait__map *map, struct plait__tally *tally, uint32_t chunk, uint64_t word)
{
        _Atomic uint64_t *place = &chunk_words(map)[chunk];
        uint64_t item = chunk_start(map, chunk) + plait__claim_progress(word), end = chunk_end(map, chunk);
        int32_t *results = plait__at(me.head, map->results);
        bool timed = me.task->strand.deadline != PLAIT_FOREVER;
        int rc;

        for (; item < end; item++) {
                if (plait__load(&map->stop) || (timed && plait_cancelled() < 0))
                        break;
                if (plait__unlikely(retires()))
                        return false;
                set_word(map, place, word, word | PLAIT__IN_FN);
                rc = me.failed < 0 ? me.failed : me.fn((char *)plait__at(me.head, map->items) + item * map->size);
                if (plait__unlikely(plait__load(&plait__loop_forked)))
                        _exit(0);
                if (plait__unlikely(me.task->strand.scope != NULL))
                        plait__panic("plait_map", "an item's function returned while a scope or group that it opened is still open");
                results[item] = rc;
                me.tasks++;
                set_word(map, place, word | PLAIT__IN_FN, word + 1);
                word++;
                if (plait__unlikely(rc < 0) && !((rc == -ECANCELED || rc == -ETIMEDOUT) && plait_cancelled() < 0))
                        note_failure(map, item);
                if (map->wants_progress) {
                        plait__store(&tally->items, plait__load(&tally->items) + 1);
                        plait__port_tell(me.head, me.monitor_fd, me.map_index);
                }
        }
        flush();
        set_word(map, place, word, word | PLAIT__DONE);
        plait__store_release(&tally->chunks, plait__load(&tally->chunks) + 1);
        return true;
}

static bool tasks_wait(void)
{
        return plait__load(&me.board->head) != plait__load(&me.board->tail);
}

static int run_map(void *arg)
{
        struct plait__job *job = arg;
        struct plait__map *map = &job->map;
        struct plait__tally *tally = (struct plait__tally *)plait__at(me.head, map->tallies) + me.number;
        uint64_t word;
        uint32_t chunk;

        plait__common_here = map->common ? plait__at(me.head, map->common) : NULL;
        while (claim_chunk(map, job->gen, &chunk, &word) && run_chunk(map, tally, chunk, word) && !tasks_wait())
                ;
        plait__common_here = NULL;
        return 0;
}

static int no_function(void *item)
{
        (void)item;
        return -ENOEXEC;
}

static void enter_map(struct plait__job *job)
{
        struct plait__tally *tally = (struct plait__tally *)plait__at(me.head, job->map.tallies) + me.number;
        struct plait_task *task = plait__record_new(me.loop);

        if (!task)
                return;                         /* the parent has others, or will fail */
        me.fn = plait__function_here(me.head, &job->function);
        if (!me.fn)
                me.fn = no_function;
        group_prepare(&tally->group, job->deadline, "map", task);
        task->fn = run_map;
        task->arg = job;
        run(task);
        plait__port_tell(me.head, me.monitor_fd, me.map_index);
}

static bool take_map(void)
{
        uint64_t maps = plait__load_acquire(&me.board->maps);
        struct plait__job *job;
        unsigned place;
        bool done = false;

        for (; maps && !done; maps &= maps - 1) {
                place = (unsigned)__builtin_ctzll(maps);
                me.map_index = me.board->map_jobs[place];
                job = &me.head->jobs[me.map_index];
                if (!map_open(job))
                        continue;
                atomic_store_explicit(&me.slot->hazard, me.map_index + 1, memory_order_seq_cst);
                /* the parent clears the bit, then looks at the hazards: one of us sees the other */
                if ((atomic_load_explicit(&me.board->maps, memory_order_seq_cst) & (uint64_t)1 << place) &&
                    me.board->map_jobs[place] == me.map_index && job->is_map && map_open(job)) {
                        enter_map(job);
                        done = true;
                }
                plait__store_release(&me.slot->hazard, 0);
        }
        return done;
}

static bool maps_wait(void)
{
        uint64_t maps = plait__load(&me.board->maps);

        for (; maps; maps &= maps - 1)
                if (map_open(&me.head->jobs[me.board->map_jobs[__builtin_ctzll(maps)]]))
                        return true;
        return false;
}

/* ---- waiting */

static bool work_waits(void)
{
        return tasks_wait() || (plait__load(&me.board->maps) && maps_wait()) || plait__load(&me.board->closing);
}

static bool peek(const struct plait__source *source)
{
        (void)source;
        return plait__load(&me.slot->attention) || (!me.task && work_waits());
}

static void look(struct plait__source *source, struct plait__loop *loop)
{
        (void)source;
        if (plait__load(&me.slot->attention)) {
                plait__store(&me.slot->attention, 0);
                if (me.task)
                        plait__wake_below(&me.task->strand, NULL);
        }
        if (!me.task && work_waits())
                plait__unpark(&loop->main->strand);
}

static _Atomic uint64_t *idle_word(void)
{
        return &me.board->idle[me.number / 64];
}

static uint64_t idle_bit(void)
{
        return (uint64_t)1 << me.number % 64;
}

/* The eventfd rings for a loop that sleeps in its poller: each write to it is an edge, so it need not be read. */
static void watch_bell(struct plait__loop *loop)
{
        me.bell_watch.events = POLLIN;
        me.bell_watch.strand = &loop->main->strand;
        me.watched = plait__watch_add(loop, me.own_fd, &me.bell_watch) == 0;
}

static bool arm(struct plait__source *source, struct plait__loop *loop)
{
        (void)source;
        if (plait__unlikely(loop->poller != NULL)) {
                if (!me.watched)
                        watch_bell(loop);
                atomic_store_explicit(&me.slot->in_poller, 1, memory_order_seq_cst);
        }
        if (!me.task)
                atomic_fetch_or_explicit(idle_word(), idle_bit(), memory_order_seq_cst);        /* before we look; see plait__pool_offer() */
        else
                atomic_thread_fence(memory_order_seq_cst);
        return !peek(source);
}

static void disarm(struct plait__source *source, struct plait__loop *loop)
{
        (void)source;
        (void)loop;
        if (!me.task && (plait__load(idle_word()) & idle_bit()))
                atomic_fetch_and_explicit(idle_word(), ~idle_bit(), memory_order_relaxed);
        if (plait__unlikely(plait__load(&me.slot->in_poller)))
                plait__store(&me.slot->in_poller, 0);
}

/* Looks a little longer, if nobody else does; true: there is work. Only when that has paid lately. (The parent
 * does not spin after it has woken a worker: the kernel likes to place whom it wakes on the waker's processor, where the worker
 * would wait until the parent stops. The same rule here made no difference; giving way first cost milliseconds on a busy machine.) */
static bool spin(void)
{
        uint32_t nobody = 0;
        plait_time end;
        bool found;

        if (plait__cpus() < 2 || !me.hot ||
            !atomic_compare_exchange_strong_explicit(&me.board->spinning, &nobody, me.owner, memory_order_seq_cst, memory_order_relaxed))
                return false;
        end = plait__clock_now() + SPIN_NS;
        do {
                for (int i = 0; i < 32 && !(found = work_waits()); i++)
                        plait__pause();
        } while (!found && plait__clock_now() < end);
        atomic_store_explicit(&me.board->spinning, 0, memory_order_seq_cst);
        if (!found && --me.hot == 0)
                me.cold = COLD;                 /* the parent may want our processor: the next spin would be in vain as well */
        return found || work_waits();
}

static void wait_for_work(void)
{
        plait_time began;
        bool found = spin();

        if (found || work_waits()) {
                me.hot += found && me.hot < HOT_MAX;
                return;
        }
        began = plait__clock_now();
        plait__park(&me.loop->main->strand, PLAIT__ON_WORK, PLAIT_FOREVER);
        if (me.cold)
                me.cold--;
        else if (me.hot < HOT_MAX && plait__clock_now() - began < SOON_NS)
                me.hot++;
}

/* Who takes one of several tasks wakes the next worker. */
static void wake_another(void)
{
        uint64_t idle, one = 1;
        unsigned words = (me.board->slot_count + 63) / 64, i, slot;

        if (plait__load(&me.board->tail) - plait__load(&me.board->head) == 0 || plait__load(&me.board->spinning))
                return;
        for (i = 0; i < words; i++) {
                idle = plait__load(&me.board->idle[i]);
                if (!idle)
                        continue;
                slot = i * 64 + (unsigned)__builtin_ctzll(idle);
                if (plait__load(&me.board->slots[slot].in_poller)) {
                        plait__sys.write(me.monitor_fd, &one, sizeof one);      /* the parent has its eventfd */
                        return;
                }
                if (!(atomic_fetch_and_explicit(&me.board->idle[i], ~(idle & -idle), memory_order_relaxed) & (idle & -idle)))
                        continue;
                plait__store(&me.board->slots[slot].bell, 1);
                plait__sys.futex(&me.board->slots[slot].bell, FUTEX_WAKE, 1, NULL, 0);
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
        const struct plait__board *board = me.board;
        plait_fn *fn;
        void *arg = NULL;
        int rc;

        if (!board->has_initializer)
                return 0;
        fn = plait__function_here(me.head, &board->initializer);
        if (!fn)
                return -ENOEXEC;
        if (board->initializer_arg_size) {
                arg = plait__sys.alloc(board->initializer_arg_size);
                if (!arg)
                        return -ENOMEM;
                memcpy(arg, plait__at(me.head, board->initializer_arg), board->initializer_arg_size);
        }
        rc = fn(arg);
        plait__sys.free(arg);
        return rc < 0 ? rc : 0;
}

static void begin(const struct plait__worker_place *place)
{
        plait__in_worker = true;
        me.head = place->head;
        me.board = place->board;
        me.number = place->slot;
        me.owner = place->slot + 1;
        me.slot = &me.board->slots[place->slot];
        me.monitor_fd = place->monitor_fd;
        me.own_fd = place->own_fd;
        me.pid = (uint32_t)plait__sys.getpid();
        plait__sys.prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (plait__sys.getppid() != place->server)
                _exit(0);                       /* it had died before: nobody will hear of us */
        plait__store(&me.slot->pid, me.pid);
        prefer_for_oom();
        plait__store(&plait__loop_forked, false);       /* this child may use plait: nothing of it was in use before */
        atomic_fetch_add_explicit(&plait__cancels, 1, memory_order_relaxed);   /* the parent's are not counted: always look */
        me.loop = plait__loop_get("worker");
        if (!me.loop)
                _exit(126);
        me.source = (struct plait__source){.peek = peek, .look = look, .arm = arm, .disarm = disarm};
        me.loop->sources = &me.source;
        me.loop->bell = &me.slot->bell;
        me.failed = initialize();
        plait__store_release(&me.slot->state, PLAIT__SLOT_READY);
        atomic_fetch_add_explicit(&me.board->readies, 1, memory_order_relaxed);
}

void plait__worker_run(const struct plait__worker_place *place)
{
        begin(place);
        while (!retires()) {
                wake_another();
                if (take_task() || take_map())
                        continue;
                if (plait__load(&me.board->closing))
                        break;
                wait_for_work();
        }
        plait__store(&me.slot->state, PLAIT__SLOT_RETIRED);
        exit(0);
}
