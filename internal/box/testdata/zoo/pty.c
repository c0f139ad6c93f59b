// A terminal: its name, and what line editing makes of what is typed.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	int m = posix_openpt(O_RDWR | O_NOCTTY);
	grantpt(m);
	unlockpt(m);
	printf("name %s\n", ptsname(m));
	fflush(stdout);
	int t = open(ptsname(m), O_RDWR | O_NOCTTY);
	if (fork() == 0) {
		char b[100];
		for (int i = 0; i < 2; i++) {
			ssize_t n = read(t, b, sizeof b);
			dprintf(t, "line of %zd bytes\n", n);
		}
		return 0;
	}
	struct winsize w = {0};
	ioctl(t, TIOCGWINSZ, &w);
	printf("rows %d\n", w.ws_row);
	if (write(m, "hallo\b\x7fo\nsecond\n", 16) < 0) return 1;
	wait(NULL);
	char b[500];
	usleep(1000);
	ssize_t n = read(m, b, sizeof b);
	printf("%zd:\n%.*s\n", n, (int)n, b);
	return 0;
}
