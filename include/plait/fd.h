/* Descriptors: as POSIX, but parking, and with the error as the result.
 *
 * A descriptor is used in the mode it has: O_NONBLOCK is neither needed nor, but for plait_accept(), changed. With it
 * or without it, calls on sockets, pipes and whatever else can be polled park; they never block the thread, and never
 * return -EAGAIN or -EINTR. Regular files are always ready, so reading or writing one is done at once, and the thread
 * waits for the disk.
 *
 * Any strand may use any descriptor of its process. Several may wait on one; whoever is woken tries again, so which of
 * them gets the bytes is not said.
 *
 * A descriptor on which plait has waited must be closed with plait_close(), not close(2): the loop knows it by its
 * number, which the next open() may hand out again. */
#ifndef PLAIT_FD_H
#define PLAIT_FD_H

#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <plait/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads up to `size` bytes into `buffer`, waiting until at least one is there. Returns how many; 0 at the end of the
 * file, when the peer will send no more, or for a size of 0; -ETIMEDOUT or -ECANCELED, and nothing was read; -EBADF
 * (not open for reading, or closed by plait_close() meanwhile), or what read(2) fails with: -ECONNRESET, -EIO, -EISDIR,
 * -EFAULT, -EINVAL. */
PLAIT_WAITS ssize_t plait_read(int fd, void *buffer, size_t size);

/* Writes bytes from `buffer`, waiting until at least one can be written. Returns how many: perhaps fewer than `size`,
 * in particular when a deadline or cancel came after the first; call again for the rest. -ETIMEDOUT or -ECANCELED, and
 * nothing was written; -EPIPE, nobody reads any more (a socket raises no SIGPIPE; a pipe does, as with write(2), unless
 * it is ignored); -EBADF (not open for writing, or closed by plait_close() meanwhile), or what write(2) fails with:
 * -ECONNRESET, -ENOSPC, -EDQUOT, -EFBIG, -EIO, -EFAULT, -EINVAL. */
PLAIT_WAITS ssize_t plait_write(int fd, const void *buffer, size_t size);

/* Waits for a connection to a listening socket, which is made O_NONBLOCK if it is not: the one change of mode that
 * plait makes, because another process might otherwise take the connection and leave this thread blocked. Returns the
 * new descriptor, close-on-exec, the caller's to plait_close(). The peer's address goes to *address, of *address_size
 * bytes, as with accept(2); both may be NULL. -ETIMEDOUT or -ECANCELED, and no connection was taken; -EBADF, -EINVAL
 * (not listening), -ENOTSOCK, -EMFILE, -ENFILE, -ENOMEM, or what else accept(2) fails with. A connection that was gone
 * before it was taken is passed over. */
PLAIT_WAITS int plait_accept(int fd, struct sockaddr *address, socklen_t *address_size);

/* Connects a socket, waiting until that is decided. Returns 0; -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH,
 * -EADDRNOTAVAIL, -EISCONN, -EBADF, -ENOTSOCK, or what else connect(2) fails with; -ETIMEDOUT (the deadline, or the
 * kernel gave up) or -ECANCELED. After a failure the socket is good for plait_close() only. */
PLAIT_WAITS int plait_connect(int fd, const struct sockaddr *address, socklen_t address_size);

/* Waits until one of the `count` descriptors is ready for its `events`, and fills in all `revents`. Returns how many
 * have some, at least 1; -ETIMEDOUT or -ECANCELED, -ENOMEM, -EINVAL (more than may be open). As with poll(2), an entry
 * with a negative fd is skipped, and one that is not open has POLLNVAL. How long is the scope's to say:
 * PLAIT_WITHIN. */
PLAIT_WAITS int plait_poll(struct pollfd *fds, size_t count);

/* Closes the descriptor; strands that wait on it, on any thread, get -EBADF from their call (POLLNVAL from
 * plait_poll()). Does not park. Returns 0, -EBADF (it was not open), or what close(2) fails with: -EIO, -ENOSPC,
 * -EDQUOT; it is closed on all of these. */
PLAIT_API int plait_close(int fd);

#ifdef __cplusplus
}
#endif
#endif
