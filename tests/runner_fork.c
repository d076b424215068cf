#define _GNU_SOURCE
#include "runner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Waits for the end of `child`, which SIGCHLD (blocked) announces; false: not within the time. */
static bool ended_within(pid_t child, unsigned seconds, int *ret_status)
{
        struct timespec now, end;
        sigset_t announced;

        sigemptyset(&announced);
        sigaddset(&announced, SIGCHLD);
        clock_gettime(CLOCK_MONOTONIC, &end);
        end.tv_sec += seconds;
        while (waitpid(child, ret_status, WNOHANG) == 0) {
                struct timespec left;

                clock_gettime(CLOCK_MONOTONIC, &now);
                left.tv_sec = end.tv_sec - now.tv_sec;
                left.tv_nsec = end.tv_nsec - now.tv_nsec;
                if (left.tv_nsec < 0) {
                        left.tv_nsec += 1000000000;
                        left.tv_sec--;
                }
                if (left.tv_sec < 0)
                        return false;
                sigtimedwait(&announced, NULL, &left);
        }
        return true;
}

void runner_run(void (*body)(int index), int index, unsigned seconds, bool own_process, char *ret_how, size_t size)
{
        sigset_t child_ends, before;
        bool in_time;
        int status;
        pid_t child;

        ret_how[0] = 0;
        if (!own_process) {
                body(index);
                return;
        }
        fflush(NULL);
        sigemptyset(&child_ends);
        sigaddset(&child_ends, SIGCHLD);
        sigprocmask(SIG_BLOCK, &child_ends, &before);
        child = fork();
        if (child < 0) {
                snprintf(ret_how, size, "fork: %s", strerror(errno));
                sigprocmask(SIG_SETMASK, &before, NULL);
                return;
        }
        if (child == 0) {
                setpgid(0, 0);
                sigprocmask(SIG_SETMASK, &before, NULL);
                body(index);
                exit(0);
        }
        setpgid(child, child);
        in_time = ended_within(child, seconds, &status);
        kill(-child, SIGKILL);                  /* what the test left behind goes with it */
        if (!in_time) {
                kill(child, SIGKILL);
                waitpid(child, &status, 0);
                snprintf(ret_how, size, "timed out after %u s", seconds);
        } else if (WIFSIGNALED(status)) {
                snprintf(ret_how, size, "Received signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
        } else if (WEXITSTATUS(status)) {
                snprintf(ret_how, size, "Early exit with return value %d", WEXITSTATUS(status));
        }
        sigprocmask(SIG_SETMASK, &before, NULL);
}
