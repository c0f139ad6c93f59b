// Signals read from a descriptor.
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGALRM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC);
	struct itimerval v = {{0, 3000}, {0, 3000}};
	setitimer(ITIMER_REAL, &v, NULL);
	for (int c = 0; c < 3; c++)
		if (fork() == 0) {
			usleep(c * 2000);
			kill(getppid(), SIGUSR1);
			usleep(2000);
			_exit(c);
		}
	for (int alarms = 0; alarms < 5;) {
		struct signalfd_siginfo i;
		struct pollfd p = {fd, POLLIN, 0};
		poll(&p, 1, -1);
		if (read(fd, &i, sizeof i) != sizeof i) return 1;
		printf("signal %u from pid %u status %d\n", i.ssi_signo, i.ssi_pid, i.ssi_status);
		alarms += i.ssi_signo == SIGALRM;
	}
	while (wait(NULL) > 0) {}
	return 0;
}
