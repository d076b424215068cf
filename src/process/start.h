/* Whether, and by what path, the program can be started again as a fork server. */
#ifndef PLAIT__START_H
#define PLAIT__START_H

/* 0 or -ENOTSUP. */
int plait__start_possible(void);

/* What to execute; NULL: -ENOTSUP. */
const char *plait__start_path(void);

#endif
