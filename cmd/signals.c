#define _GNU_SOURCE
#include "command.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

static sigset_t watched;

int signals_block(void)
{
        sigemptyset(&watched);
        sigaddset(&watched, SIGINT);
        sigaddset(&watched, SIGTERM);
        return sigprocmask(SIG_BLOCK, &watched, NULL) < 0 ? -errno : 0;
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
                sigprocmask(SIG_UNBLOCK, &watched, NULL);       /* the next one ends us */
        return rc;
}
