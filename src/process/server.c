/* One thread, no user code but constructors. It waits for three things: orders on its socket, the deaths of its workers
 * (a signalfd), and the end of its owner, the process whose pool it serves (a pidfd, and the end of the socket; a child that the
 * owner forked may hold the socket open). Its parent is not the owner but a keeper (base/spawn.c), which is killed when the
 * owner ends. When the owner or its pool has gone it kills its workers, reaps them, so that nobody inherits zombies, and
 * ends.
 *
 * The workers' PR_SET_PDEATHSIG is tied to the thread that forked them: the server has but the one, so it cannot end before the
 * server does. (Workers forked by a thread of the owner were killed when that thread ended.) */
#define _GNU_SOURCE
#include "process/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "process/worker.h"

struct server {
        struct plait__worker_place place;
        long parent;                            /* the keeper, or the owner itself: another one means that it has gone */
        int owner_fd, signal_fd;
        pid_t *pids;                            /* by slot; 0: none */
};

/* ---- what it was given */

static void *map_region(uint32_t owner)
{
        struct plait__region_card card;
        long at;

        if (plait__sys.pread64(PLAIT__FD_REGION, &card, sizeof card, 0) != sizeof card ||
            card.magic != PLAIT__REGION_MAGIC || card.parent != owner || card.job_bytes != sizeof(struct plait__job))
                return NULL;
        at = plait__sys.mmap((void *)(uintptr_t)card.address, card.size, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, PLAIT__FD_REGION, 0);
        if (at < 0 && at > -4096)
                at = plait__sys.mmap(NULL, card.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, PLAIT__FD_REGION, 0);
        if (at < 0 && at > -4096)
                _exit(126);                     /* surely our owner's, but no room for it */
        plait__sys.madvise((void *)at, card.size, MADV_DONTDUMP);       /* a core file would take in all of it */
        return (void *)at;
}

static void keep_from_exec(void)
{
        for (int fd = PLAIT__FD_REGION; fd < PLAIT__FD_REGION + PLAIT__FD_COUNT; fd++)
                plait__sys.fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int watch_children(void)
{
        sigset_t mask;

        signal(SIGINT, SIG_IGN);                /* it was blocked until here */
        signal(SIGCHLD, SIG_DFL);
        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        return (int)plait__sys.signalfd4(-1, &mask, 8, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ---- workers */

static void tell(enum plait__news_kind kind, unsigned slot, pid_t pid, int status, const int *fds, int count)
{
        struct plait__news news = {.kind = kind, .slot = slot, .pid = pid, .status = status};
        struct iovec part = {&news, sizeof news};
        union { struct cmsghdr header; char bytes[CMSG_SPACE(2 * sizeof(int))]; } control;
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

        if (count) {
                memset(&control, 0, sizeof control);
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE((unsigned)count * sizeof(int));
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN((unsigned)count * sizeof(int));
                memcpy(CMSG_DATA(&control.header), fds, (unsigned)count * sizeof(int));
        }
        plait__sys.sendmsg(PLAIT__FD_SERVER, &message, MSG_NOSIGNAL);   /* an owner that has gone is noticed in serve() */
}

static _Noreturn void be_worker(struct server *server, unsigned slot, int own_fd)
{
        sigset_t none;

        server->place.slot = slot;
        server->place.own_fd = own_fd;
        plait__sys.close(PLAIT__FD_SERVER);
        plait__sys.close(server->signal_fd);
        if (server->owner_fd >= 0)
                plait__sys.close(server->owner_fd);
        free(server->pids);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        plait__worker_run(&server->place);
}

static void fork_worker(struct server *server, unsigned slot)
{
        int fds[2], pid;                        /* the worker's eventfd; its pidfd, where the kernel has those */

        fds[0] = pid = (int)plait__sys.eventfd2(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (pid >= 0)
                pid = plait__sys.fork();
        if (pid == 0)
                be_worker(server, slot, fds[0]);
        if (pid > 0) {
                server->pids[slot] = pid;
                fds[1] = (int)plait__sys.pidfd_open(pid, 0);
                tell(PLAIT__NEWS_FORKED, slot, pid, 0, fds, fds[1] >= 0 ? 2 : 1);
                if (fds[1] >= 0)
                        plait__sys.close(fds[1]);
        } else {
                tell(PLAIT__NEWS_NO_FORK, slot, 0, pid, NULL, 0);
        }
        if (fds[0] >= 0)
                plait__sys.close(fds[0]);
}

static void bury(struct server *server)
{
        unsigned slot;
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                for (slot = 0; slot < server->place.board->slot_count && server->pids[slot] != pid; slot++)
                        ;
                if (slot == server->place.board->slot_count)
                        continue;               /* a constructor's child */
                server->pids[slot] = 0;
                tell(PLAIT__NEWS_DIED, slot, pid, status, NULL, 0);
        }
}

static _Noreturn void end(struct server *server)
{
        unsigned slot;

        for (slot = 0; slot < server->place.board->slot_count; slot++)
                if (server->pids[slot])
                        plait__sys.kill(server->pids[slot], SIGKILL);   /* not reaped yet: the pid is still its own */
        for (slot = 0; slot < server->place.board->slot_count; slot++)
                if (server->pids[slot])
                        waitpid(server->pids[slot], NULL, 0);
        _exit(0);
}

static _Noreturn void serve(struct server *server)
{
        struct pollfd fds[3] = {{.fd = PLAIT__FD_SERVER, .events = POLLIN},
                                {.fd = server->signal_fd, .events = POLLIN},
                                {.fd = server->owner_fd, .events = POLLIN}};
        struct signalfd_siginfo info;
        struct plait__news news;
        long size;

        for (;;) {
                plait__sys.ppoll(fds, 3, NULL);
                if (fds[2].revents || plait__sys.getppid() != server->parent)
                        end(server);
                if (fds[1].revents) {
                        while (plait__sys.read(server->signal_fd, &info, sizeof info) > 0)
                                ;
                        bury(server);
                }
                if (!fds[0].revents)
                        continue;
                size = plait__sys.recvfrom(PLAIT__FD_SERVER, &news, sizeof news, MSG_DONTWAIT);
                if (size == 0 || (size < 0 && size != -EAGAIN && size != -EINTR))
                        end(server);
                if (size == sizeof news && news.kind == PLAIT__NEWS_FORK && news.slot < server->place.board->slot_count)
                        fork_worker(server, news.slot);
        }
}

/* The socket's other end was made by this process. */
static bool belongs_to(pid_t owner)
{
        struct ucred maker;
        socklen_t size = sizeof maker;

        return plait__sys.getsockopt(PLAIT__FD_SERVER, SOL_SOCKET, SO_PEERCRED, &maker, &size) == 0 && maker.pid == owner;
}

void plait__server_enter(const char *owner, const char *board)
{
        static struct server server;
        long pid = strtol(owner, NULL, 10);

        server.parent = plait__sys.getppid();
        if (!belongs_to((pid_t)pid))
                return;
        server.place.head = map_region((uint32_t)pid);
        if (!server.place.head)
                return;
        keep_from_exec();
        server.place.board = plait__at(server.place.head, strtoull(board, NULL, 10));
        server.place.monitor_fd = PLAIT__FD_MONITOR;
        server.place.server = plait__sys.getpid();
        server.signal_fd = watch_children();
        server.owner_fd = (int)plait__sys.pidfd_open((pid_t)pid, 0);   /* none: getppid() is asked after every event */
        if (server.owner_fd == -ESRCH)
                _exit(0);
        server.pids = calloc(server.place.board->slot_count, sizeof *server.pids);
        if (server.signal_fd < 0 || !server.pids)
                _exit(126);
        plait__sys.close(PLAIT__FD_REGION);
        serve(&server);
}
