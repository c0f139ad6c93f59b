// A writer that has to wait for a slow reader, and one that does not want to.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	int p[2], q[2];
	static char b[100000];
	if (pipe(p) || pipe2(q, O_NONBLOCK)) return 1;
	if (fork() == 0) {
		close(p[0]);
		for (int i = 0; i < 5; i++) {
			ssize_t n = write(p[1], b, sizeof b);
			dprintf(1, "wrote %zd\n", n);
		}
		return 0;
	}
	close(p[1]);
	long total = 0;
	int waiting;
	for (ssize_t n; (n = read(p[0], b, 30000)) > 0; total += n) {
		ioctl(p[0], FIONREAD, &waiting);
		dprintf(1, "read %zd, %d wait\n", n, waiting);
		usleep(100);
	}
	int writes = 0;
	while (write(q[1], b, 999) > 0) writes++;
	dprintf(1, "%ld read; %d writes until EAGAIN %d\n", total, writes, errno == EAGAIN);
	while (wait(NULL) > 0) {}
	return 0;
}
