#include "task/initializer.h"

#include <errno.h>
#include <string.h>

#include "base/sys.h"

/* The bytes, or the pointer itself when there are none; NULL: no memory. */
static void *copy_of(void *arg, size_t size)
{
        void *copy = size ? plait__sys.alloc(size) : arg;

        if (size && copy)
                memcpy(copy, arg, size);
        return copy;
}

int plait__initializer_init(struct plait__initializer *initializer, const plait_executor_options *options)
{
        initializer->fn = options->initializer;
        initializer->size = options->initializer_arg_size;
        initializer->arg = copy_of(options->initializer_arg, initializer->size);
        return initializer->size && !initializer->arg ? -ENOMEM : 0;
}

void plait__initializer_done(struct plait__initializer *initializer)
{
        if (initializer->size)
                plait__sys.free(initializer->arg);
}

int plait__initializer_run(const struct plait__initializer *initializer)
{
        void *copy;
        int rc;

        if (!initializer->fn)
                return 0;
        copy = copy_of(initializer->arg, initializer->size);
        if (initializer->size && !copy)
                return -ENOMEM;
        rc = initializer->fn(copy);
        if (initializer->size)
                plait__sys.free(copy);
        return rc < 0 ? rc : 0;
}
