#include "inspect/dump.h"

#include <string.h>

#include "base/sys.h"
#include "inspect/interrupt.h"
#include "inspect/out.h"
#include "plait/dump.h"

#define PATIENCE (100 * PLAIT_MS)

/* ---- stacks */

static bool begins(const char *name, const char *with)
{
        return name && strncmp(name, with, strlen(with)) == 0;
}

/* Below these is nothing of the program's. */
static bool is_bottom(const char *name)
{
        static const char *const names[] = {
                "plait__task_body",       "plait__switch_begin", "coroutine_main", "__libc_start_call_main",
                "__libc_start_main_impl", "__libc_start_main",   "_start",         "start_thread"};
        size_t i;

        for (i = 0; name && i < sizeof names / sizeof names[0]; i++)
                if (strcmp(name, names[i]) == 0)
                        return true;
        return false;
}

static bool is_main(const char *name)
{
        return name && strcmp(name, "main") == 0;
}

static const char *name_of(struct plait__symbols *symbols, const void *address)
{
        return plait__symbol_find(symbols, address)->name;
}

/* A strand that is not running is in a call of ours; what that does inside is left out. A call that ends in a jump has no frame:
 * then what is known to be ours is left out. */
static int first_to_show(struct plait__symbols *symbols, void *const *frames, int count)
{
        const struct plait__symbol *symbol;
        int i, after = 0;

        for (i = 0; i < count; i++) {
                symbol = plait__symbol_find(symbols, frames[i]);
                if (is_bottom(symbol->name))
                        break;
                if (begins(symbol->name, "plait__") ||
                    (begins(symbol->module, "libplait.so") && !begins(symbol->name, "plait_")))
                        after = i + 1;
                else if (begins(symbol->name, "plait_"))
                        return i;
        }
        return after;
}

static void out_frame(struct plait__out *out, struct plait__symbols *symbols, const void *address)
{
        const struct plait__symbol *symbol = plait__symbol_find(symbols, address);

        if (symbol->name)
                plait__out(out, "        %.160s+0x%zx (%.120s)\n", symbol->name, symbol->offset, symbol->module);
        else if (symbol->module)
                plait__out(out, "        %.120s+0x%zx\n", symbol->module, symbol->offset);
        else
                plait__out(out, "        %p\n", address);
}

void plait__out_stack(struct plait__out *out, struct plait__symbols *symbols, void *const *frames, int count,
                      bool interrupted)
{
        int i = interrupted ? 0 : first_to_show(symbols, frames, count);

        for (; i < count && !is_bottom(name_of(symbols, frames[i])); i++) {
                out_frame(out, symbols, frames[i]);
                if (is_main(name_of(symbols, frames[i])))
                        return;                 /* libc's, which may have no names */
        }
        if (i == PLAIT__FRAMES)
                plait__out(out, "        ...\n");
}

static void out_its_stack(struct plait__out *out, struct plait__symbols *symbols, const struct plait__seen *seen)
{
        static const char *const why[] = {
                [PLAIT__STACK_COMPUTES] = "its thread computes, and was not interrupted",
                [PLAIT__STACK_CANNOT] = "this build switches by ucontext, and cannot look into what is put away",
        };

        if (seen->no_stack == PLAIT__STACK_SEEN)
                plait__out_stack(out, symbols, seen->frames, seen->count, seen->interrupted);
        else if (seen->no_stack != PLAIT__STACK_NONE)
                plait__out(out, "        (no stack: %s)\n", why[seen->no_stack]);
}

/* ---- what it waits for */

static void out_group_waited_for(struct plait__out *out, const struct plait__seen *seen)
{
        plait__out(out, "the group '%s' (%zu task%s live%s)", seen->object_name[0] ? seen->object_name : "unnamed",
                   seen->object_count, seen->object_count == 1 ? "" : "s", seen->object_count == 1 ? "s" : "");
}

static void out_lock_waited_for(struct plait__out *out, const struct plait__seen *seen)
{
        plait__out(out, "the lock %p", seen->object);
        if (seen->other.id) {
                plait__out(out, ", held by ");
                plait__out_who(out, &seen->other);
        }
}

static void out_waited_for(struct plait__out *out, const struct plait__seen *seen)
{
        switch (seen->object ? seen->reason : PLAIT__NOT_PARKED) {
        case PLAIT__ON_LOCK:
                out_lock_waited_for(out, seen);
                return;
        case PLAIT__ON_QUEUE:
                plait__out(out, "the queue %p, which has %zu item%s", seen->object, seen->object_count,
                           seen->object_count == 1 ? "" : "s");
                return;
        case PLAIT__ON_EVENT:
        case PLAIT__ON_RWLOCK:
        case PLAIT__ON_CONDITION:
        case PLAIT__ON_SEMAPHORE:
        case PLAIT__ON_BARRIER:
        case PLAIT__ON_ONCE:
        case PLAIT__ON_FUTURE:
                plait__out(out, "%s, %p", plait__reason_words(seen->reason), seen->object);
                return;
        case PLAIT__ON_GROUP:
                out_group_waited_for(out, seen);
                return;
        case PLAIT__ON_TASK:
                plait__out(out, "the task ");
                plait__out_who(out, &seen->other);
                return;
        default:
                plait__out(out, "%s", plait__reason_words(seen->reason));
        }
}

/* ---- strands */

static void out_kind(struct plait__out *out, const struct plait__seen *seen)
{
        switch (seen->kind) {
        case PLAIT__SEEN_MAIN:
                plait__out(out, ", thread %d", (int)seen->tid);
                return;
        case PLAIT__SEEN_THREAD:
                plait__out(out, ", task on thread %d", (int)seen->tid);
                return;
        case PLAIT__SEEN_COROUTINE:
                plait__out(out, ", coroutine on thread %d", (int)seen->tid);
                return;
        case PLAIT__SEEN_SERVICE:
                plait__out(out, ", service of the library on thread %d", (int)seen->tid);
                return;
        case PLAIT__SEEN_AWAY:
                plait__out(out, seen->pid ? ", task in process %d" : ", task for another process", (int)seen->pid);
                return;
        case PLAIT__SEEN_TASK:
                plait__out(out, ", task");
                return;
        }
}

void plait__out_strand(struct plait__out *out, struct plait__symbols *symbols, const struct plait__seen *seen)
{
        static const char *const states[] = {"new", "ready", "running", "parked"};

        plait__out_who(out, &seen->who);
        out_kind(out, seen);
        plait__out(out, ": %s", states[seen->state]);
        if (seen->state == PLAIT__SEEN_PARKED) {
                plait__out(out, ", waits for ");
                out_waited_for(out, seen);
        }
        plait__out(out, "; age ");
        plait__out_span(out, seen->age);
        if (seen->left != PLAIT_FOREVER) {
                plait__out(out, ", left ");
                plait__out_span(out, seen->left);
        }
        plait__out(out, "\n");
        out_its_stack(out, symbols, seen);
}

void plait__dump(struct plait__out *out)
{
        struct plait__symbols symbols;
        struct plait__all_seen all;
        bool complete;
        size_t i;

        plait__frames_prepare();
        complete = plait__world_stop(PATIENCE);
        plait__see_all(&all);
        plait__world_go_on();
        plait__symbols_open(&symbols);
        plait__out(out, "plait: process %d has %zu strand%s%s\n", (int)plait__sys.getpid(), all.count,
                   all.count == 1 ? "" : "s",
                   complete ? "" : "; a thread that computes did not come to tell of its own");
        for (i = 0; i < all.count; i++)
                plait__out_strand(out, &symbols, &all.strands[i]);
        plait__out_flush(out);
        plait__symbols_close(&symbols);
        plait__see_no_more(&all);
}

void plait_dump(FILE *file)
{
        struct plait__out out = {.file = file};

        plait__not_forked(__func__);
        plait__dump(&out);
}
