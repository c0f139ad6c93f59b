// Limits of resources.
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

int main(void) {
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit l;
		getrlimit(i, &l);
		printf("limit %d: %lx %lx\n", i, l.rlim_cur, l.rlim_max);
	}
	printf("files %ld, children %ld, arguments %ld\n", sysconf(_SC_OPEN_MAX), sysconf(_SC_CHILD_MAX), sysconf(_SC_ARG_MAX));
	int fds = 0;
	for (int fd = 0; fd < 150; fd++) fds += dup(0) >= 0;
	printf("%d could be opened\n", fds);
	return 0;
}
