// The names of the machine and its kernel.
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

int main(void) {
	struct utsname u;
	char host[256];
	uname(&u);
	gethostname(host, sizeof host);
	printf("%s %s %s %s %s\nhost %s\nhostid %lx\n", u.sysname, u.nodename, u.release, u.version, u.machine, host, gethostid());
	return 0;
}
