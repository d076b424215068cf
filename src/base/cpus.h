#ifndef PLAIT__CPUS_H
#define PLAIT__CPUS_H

/* How many processors this process may use: the smaller of its affinity mask and every cgroup quota (v2 and v1) that
 * applies to it or to a group around it, rounded up; at least 1. Read once. */
unsigned plait__cpus(void);

#endif
