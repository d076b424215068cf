#define _GNU_SOURCE
#include "command.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static sigset_t watched;
static void (*clean)(void);

/* What is ignored from the start, by nohup or for a job in the background of a script, stays so. */
static void watch(int number)
{
        struct sigaction action;

        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_IGN)
                sigaddset(&watched, number);
}

int signals_block(void (*cleaner)(void))
{
        clean = cleaner;
        sigemptyset(&watched);
        watch(SIGINT);
        watch(SIGTERM);
        watch(SIGHUP);
        return sigprocmask(SIG_BLOCK, &watched, NULL) < 0 ? -errno : 0;
}

static void end_at_once(int number)
{
        if (clean)
                clean();
        _exit(EXIT_BY_SIGNAL + number);
}

/* The next signal ends us, whatever the threads are stuck in. */
static void be_impatient(void)
{
        struct sigaction action = {.sa_handler = end_at_once, .sa_mask = watched};
        int number;

        for (number = 1; number < NSIG; number++)
                if (sigismember(&watched, number) == 1)
                        sigaction(number, &action, NULL);
        sigprocmask(SIG_UNBLOCK, &watched, NULL);
}

int signals_wait(void)
{
        int fd = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK), rc;
        struct signalfd_siginfo info;
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = plait_read(fd, &info, sizeof info);
        rc = n < 0 ? (int)n : (int)info.ssi_signo;
        plait_ignore(plait_close(fd));
        if (rc > 0)
                be_impatient();
        return rc;
}

void signals_release(void)
{
        static const struct timespec at_once;

        while (sigtimedwait(&watched, NULL, &at_once) > 0)
                ;
        clean = NULL;
        sigprocmask(SIG_UNBLOCK, &watched, NULL);
}
