// A child that is stopped and continued, by others and by itself, and what
// its parent is told.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void on(int sig, siginfo_t *i, void *u) { dprintf(1, "SIGCHLD code %d status %d\n", i->si_code, i->si_status); }

int main(void) {
	int status, p[2];
	struct sigaction a = {.sa_sigaction = on, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigaction(SIGCHLD, &a, NULL);
	if (pipe2(p, O_NONBLOCK)) return 1;
	pid_t child = fork();
	if (child == 0) {
		for (int i = 0; i < 40; i++) {
			if (write(p[1], &i, sizeof i) < 0) return 1;
			usleep(500);
		}
		raise(SIGSTOP);
		setpgid(0, 0);
		raise(SIGTSTP);
		return 7;
	}
	for (int i = 0; i < 2; i++) {
		int counted[200];
		usleep(2300);
		kill(child, SIGSTOP);
		waitpid(child, &status, WUNTRACED);
		printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
		printf("counted %zd\n", read(p[0], counted, sizeof counted) / (ssize_t)sizeof(int));
		usleep(50000);
		printf("counted %zd\n", read(p[0], counted, sizeof counted));
		kill(child, SIGCONT);
		waitpid(child, &status, WCONTINUED);
		printf("continued %d\n", WIFCONTINUED(status));
		fflush(stdout);
	}
	for (;;) {
		siginfo_t info;
		if (waitid(P_ALL, 0, &info, WSTOPPED | WEXITED)) return 1;
		printf("waitid: code %d status %d\n", info.si_code, info.si_status);
		fflush(stdout);
		if (info.si_code == CLD_EXITED) return 0;
		kill(child, SIGCONT);
	}
}
