// Memory, load and uptime of the machine.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <unistd.h>

int main(void) {
	struct sysinfo s;
	double load[3];
	sysinfo(&s);
	printf("uptime %ld load %lu %lu %lu\n", s.uptime, s.loads[0], s.loads[1], s.loads[2]);
	printf("total %lu free %lu shared %lu buffer %lu swap %lu %lu processes %d\n", s.totalram, s.freeram, s.sharedram, s.bufferram,
		s.totalswap, s.freeswap, s.procs);
	getloadavg(load, 3);
	printf("getloadavg %f %f %f\n", load[0], load[1], load[2]);
	printf("pages %ld available %ld\n", sysconf(_SC_PHYS_PAGES), sysconf(_SC_AVPHYS_PAGES));
	return 0;
}
