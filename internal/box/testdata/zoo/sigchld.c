// SIGCHLD of several children: how many signals, from whom, in which order.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t signals, ended;
static volatile pid_t order[8];

static void on(int s, siginfo_t *i, void *c) {
	int saved = errno, status;
	pid_t p;
	signals++;
	while (ended < 8 && (p = waitpid(-1, &status, WNOHANG)) > 0) order[ended++] = p;
	errno = saved;
}

int main(void) {
	struct sigaction a = {.sa_sigaction = on, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigset_t block, old;
	sigaction(SIGCHLD, &a, NULL);
	pid_t first = 0;
	for (int i = 0; i < 8; i++) {
		pid_t p = fork();
		if (p == 0) {
			usleep(i * 37 % 5 * 100);
			_exit(i);
		}
		if (!first) first = p;
	}
	sigemptyset(&block);
	sigaddset(&block, SIGCHLD);
	sigprocmask(SIG_BLOCK, &block, &old);
	while (ended < 8) sigsuspend(&old);
	printf("%d signals:", (int)signals);
	for (int i = 0; i < 8; i++) printf(" %d", order[i] - first);
	puts("");
	return 0;
}
