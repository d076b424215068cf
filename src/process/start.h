/* Whether, and by what path, the program can be started again as a fork server. */
#ifndef PLAIT__START_H
#define PLAIT__START_H

/* What to execute: *ret stays for good. 0; -ENOTSUP: that cannot be; -EMFILE, -ENFILE or -ENOMEM: not now. */
int plait__start_path(const char **ret);

#endif
