// Signals that are waited for, queued with values, and the order they come in.
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(void) {
	sigset_t set;
	siginfo_t i;
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int c = 0; c < 3; c++)
		if (fork() == 0) {
			for (int k = 0; k < 4; k++) {
				union sigval v = {.sival_int = c * 10 + k};
				sigqueue(getppid(), SIGRTMIN + k % 2, v);
				usleep(c * 20);
			}
			return 0;
		}
	int queued = 0, children = 0;
	while (queued < 12 || children == 0) {
		int s = sigwaitinfo(&set, &i);
		if (s == SIGCHLD) children++;
		else queued++, printf("signal %d value %d from pid %d\n", s - SIGRTMIN, i.si_value.sival_int, i.si_pid);
	}
	while (wait(NULL) > 0) {}
	struct timespec t = {0, 5000000}, none = {0, 0};
	while (sigtimedwait(&set, &i, &none) > 0) {}
	int s = sigtimedwait(&set, &i, &t);
	printf("sigtimedwait %d, EAGAIN %d\n", s, errno == EAGAIN);
	return 0;
}
