/* Map over items that come one by one: at most a window of them is there at a time, each in a slot of its own from its pull to its
 * push. Tasks end in any order; slots are pushed in the order in which they were pulled. */
#include <errno.h>

#include "base/sys.h"
#include "core/strand.h"
#include "plait/map.h"
#include "task/executor.h"
#include "task/group.h"

enum { COROUTINES_AT_ONCE = 256, PER_WORKER = 4 };

struct slot {
        bool ended;
        int result, status;
        pid_t pid;
};

struct stream {
        const plait_map_options *options;
        const plait_map_source *source;
        plait_fn *fn;
        size_t size, window;
        struct slot *slots;                     /* item i is in slot i % window */
        char *items;
        size_t pulled, pushed;                  /* so many items so far */
        bool exhausted;
        plait_group group;
        plait_failure failure;                  /* of the first item that failed, in the order of the items */
};

static size_t window_of(const plait_map_options *options, const plait_executor *executor)
{
        if (options->limit)
                return options->limit;
        if (executor->class->coroutines || executor->class->fresh || !plait__workers_of(executor))
                return COROUTINES_AT_ONCE;
        return (size_t)PER_WORKER * plait__workers_of(executor);
}

static char *item_of(const struct stream *stream, size_t index)
{
        return stream->items + index % stream->window * stream->size;
}

/* Fills the window as far as the source has items. */
static int pull_some(struct stream *stream)
{
        plait_task_options options = {.retries = stream->options->retries};
        char *item;
        int rc;

        while (!stream->exhausted && stream->pulled - stream->pushed < stream->window) {
                item = item_of(stream, stream->pulled);
                rc = plait_cancelled();
                if (rc == 0)
                        rc = stream->source->pull(stream->source->arg, item);
                stream->exhausted = rc == 0;
                if (rc <= 0)
                        return rc;
                if (!plait__group_start("plait_map_stream", &stream->group, &options, stream->fn, item, stream->size))
                        return plait__group_of(&stream->group)->start_failure;
                stream->slots[stream->pulled++ % stream->window].ended = false;
        }
        return 0;
}

static int end_one(struct stream *stream)
{
        struct plait_task *task;
        struct slot *slot;
        int rc = plait_group_next(&stream->group, &task);

        if (rc < 0)
                return rc;
        slot = &stream->slots[(size_t)((char *)task->arg - stream->items) / stream->size];
        *slot = (struct slot){true, plait_task_result(task), plait_task_status(task), plait_task_pid(task)};
        plait__group_forget(&stream->group, task);
        return 0;
}

/* Hands out what has ended, in order; the first failure ends it, unless the map keeps going. */
static int push_some(struct stream *stream)
{
        const plait_map_source *source = stream->source;
        struct slot *slot;
        int rc;

        for (; stream->pushed < stream->pulled; stream->pushed++) {
                slot = &stream->slots[stream->pushed % stream->window];
                if (!slot->ended)
                        break;
                if (slot->result < 0 && stream->failure.result == 0)
                        stream->failure = (plait_failure){.result = slot->result, .status = slot->status, .pid = slot->pid, .name = "map"};
                if (slot->result < 0 && !stream->options->keep_going)
                        return slot->result;
                rc = source->push ? source->push(source->arg, item_of(stream, stream->pushed), slot->result) : 0;
                if (rc < 0)
                        return rc;
        }
        return 0;
}

static int run(struct stream *stream)
{
        int rc;

        do {
                rc = pull_some(stream);
                if (rc == 0 && stream->pushed == stream->pulled)
                        return stream->failure.result;
                if (rc == 0)
                        rc = end_one(stream);
                if (rc == 0)
                        rc = push_some(stream);
        } while (rc == 0);
        return rc;
}

int plait_map_stream(const plait_map_options *options, plait_fn *fn, size_t size, const plait_map_source *source)
{
        static const plait_map_options none;
        struct plait__strand *strand = plait__strand_here(__func__);
        struct stream stream = {.options = options ? options : &none, .source = source, .fn = fn, .size = size};
        plait_executor *executor = stream.options->executor ? stream.options->executor : plait_coroutines();
        int rc;

        if (!fn || size == 0 || !source || !source->pull || stream.options->common)
                return -EINVAL;
        rc = strand ? plait__enter(strand) : -ENOMEM;
        if (rc < 0)
                return rc;
        stream.window = window_of(stream.options, executor);
        stream.slots = plait__sys.alloc(stream.window * sizeof *stream.slots);
        stream.items = size > SIZE_MAX / stream.window ? NULL : plait__sys.alloc(stream.window * size);
        rc = -ENOMEM;
        if (stream.slots && stream.items) {
                stream.group = (plait_group){.executor = executor, .within = stream.options->within, .kill_after = stream.options->kill_after,
                                             .keep_going = true, .name = "map"};
                plait_group_open(&stream.group);
                rc = run(&stream);
                plait_group_done(&stream.group);
        }
        plait__sys.free(stream.items);
        plait__sys.free(stream.slots);
        if (stream.options->failure)
                *stream.options->failure = stream.failure;
        return rc;
}
