/* How one test gets a process and a time limit: by Check (runner_check.c), or where Check is not there for the
 * target, by fork() (runner_fork.c). */
#ifndef PLAIT_TEST_RUNNER_H
#define PLAIT_TEST_RUNNER_H

#include <stdbool.h>
#include <stddef.h>

/* Runs body(index) in a process of its own, or in this one, for a debugger's sake. `ret_how` becomes "" when the
 * process ended well, else one line that says how it ended. */
void runner_run(void (*body)(int index), int index, unsigned seconds, bool own_process, char *ret_how, size_t size);

#endif
