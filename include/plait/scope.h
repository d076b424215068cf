/* Scopes: a stretch of one strand's work with a deadline or a cancel of its own.
 *
 *         static int ask(int fd, struct answer *ret)
 *         {
 *                 PLAIT_WITHIN(2 * PLAIT_S);              // holds for everything below, to the end of the block
 *
 *                 int rc = send_question(fd);
 *
 *                 if (rc < 0)
 *                         return rc;                      // -ETIMEDOUT, if the two seconds were over
 *                 return read_answer(fd, ret);
 *         }
 *
 * A scope ends when its time is over or it is cancelled. From then on every waiting call inside it, on this strand and
 * in the tasks of the groups opened inside, returns -ETIMEDOUT or -ECANCELED, until the scope is left: there is nothing
 * to clear and nothing to miss. Scopes nest, and a group is one too (plait/group.h). If several around a call have
 * ended, the outermost decides the error: what ends the larger piece of work is what matters.
 *
 * A shield is a scope for cleaning up: while it lasts, no deadline and no cancel from outside reaches in. It has a time
 * of its own, always given; when that is over, calls inside return -ETIMEDOUT, or what happened outside meanwhile,
 * since the outermost ended scope decides. Scopes and groups opened inside a shield work as ever.
 *
 *         {
 *                 PLAIT_SHIELD(PLAIT_S);                  // we may have been cancelled, and still say goodbye
 *
 *                 plait_ignore(plait_write(fd, "QUIT\r\n", 6));
 *         }
 *
 * A span of 0 or less is over at once; PLAIT_FOREVER never is. */
#ifndef PLAIT_SCOPE_H
#define PLAIT_SCOPE_H

#include <plait/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A scope, in the caller's memory, used by the strand that entered it and cancelled by any strand of the process. It
 * needs no initialisation, is not copied or moved while it is entered, and may be entered again once it was left. */
typedef struct plait_scope {
        uint64_t private_[8];
} plait_scope;

/* PLAIT_WITHIN(span); is a declaration: from here to the end of the enclosing block, on whatever path that is left, the
 * work has `span` nanoseconds. Any number may stand in one block; each holds from its own place on. */
#define PLAIT_WITHIN(span) PLAIT__SCOPE(plait_scope_enter, PLAIT__NAME(plait__scope_, __COUNTER__), span)

/* PLAIT_SHIELD(span); likewise a declaration: a shield from here to the end of the enclosing block. */
#define PLAIT_SHIELD(span) PLAIT__SCOPE(plait_scope_enter_shield, PLAIT__NAME(plait__scope_, __COUNTER__), span)

/* Enters a scope by hand: it is this strand's innermost until plait_scope_leave(). `within` counts from here; with
 * PLAIT_FOREVER it ends only by plait_scope_cancel(). Aborts if it is entered already. */
PLAIT_API void plait_scope_enter(plait_scope *scope, plait_time within);

/* Likewise, a shield. */
PLAIT_API void plait_scope_enter_shield(plait_scope *scope, plait_time within);

/* Leaves the scope; its memory is free to go. Returns how the scope itself stood, whether or not a call inside noticed:
 * 0; -ETIMEDOUT, its time is over; -ECANCELED, it was cancelled; of both, what came first. So after a call inside
 * returned -ETIMEDOUT, this tells whether the time was this scope's or that of one around it. Aborts unless the scope
 * is this strand's innermost, and if a group opened inside it is still open. */
PLAIT_API int plait_scope_leave(plait_scope *scope);

/* Cancels what is inside the scope: the strand that entered it, wherever it waits, and the tasks of groups opened
 * inside. From any strand, as long as the scope is entered; that it is, is the caller's to know. Twice is once. */
PLAIT_API void plait_scope_cancel(plait_scope *scope);

/* Not for use: what PLAIT_WITHIN and PLAIT_SHIELD need. The second variable enters the first, so that both are one
 * declaration. */
PLAIT_API void plait__scope_end(plait_scope *scope);
#define PLAIT__SCOPE(enter, scope, span)                                                                               \
        plait_scope scope __attribute__((cleanup(plait__scope_end), unused)),                                          \
                *PLAIT__NAME(scope, _entered) __attribute__((unused)) = (enter(&scope, span), &scope)

#ifdef __cplusplus
}
#endif
#endif
