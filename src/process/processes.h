/* What the file that is in every program (start.c) must reach. */
#ifndef PLAIT__PROCESSES_H
#define PLAIT__PROCESSES_H

/* Tells the task layer how to open a pool of processes. */
void plait__processes_join(void);

#endif
