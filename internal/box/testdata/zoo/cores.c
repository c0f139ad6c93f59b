// How many cores there are, which are allowed, and which one this is.
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/sysinfo.h>
#include <unistd.h>

int main(void) {
	cpu_set_t set;
	unsigned core, node;
	printf("configured %ld online %ld nprocs %d %d\n", sysconf(_SC_NPROCESSORS_CONF), sysconf(_SC_NPROCESSORS_ONLN), get_nprocs(), get_nprocs_conf());
	sched_getaffinity(0, sizeof set, &set);
	printf("allowed %d: first %d\n", CPU_COUNT(&set), CPU_ISSET(0, &set));
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	printf("setaffinity %d\n", sched_setaffinity(0, sizeof set, &set));
	getcpu(&core, &node);
	printf("getcpu %u %u sched_getcpu %d\n", core, node, sched_getcpu());
	printf("policy %d\n", sched_getscheduler(0));
	return 0;
}
