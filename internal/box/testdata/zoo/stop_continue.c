// A child that is stopped and continued, and what its parent is told.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	int status, p[2];
	if (pipe2(p, O_NONBLOCK)) return 1;
	pid_t child = fork();
	if (child == 0)
		for (int i = 0;; i++) {
			if (write(p[1], &i, sizeof i) < 0) return 1;
			usleep(500);
		}
	for (int i = 0; i < 3; i++) {
		usleep(2300);
		kill(child, SIGSTOP);
		waitpid(child, &status, WUNTRACED);
		printf("stopped %d by %d\n", WIFSTOPPED(status), WSTOPSIG(status));
		int counted[200];
		printf("it counted %zd times\n", read(p[0], counted, sizeof counted) / (ssize_t)sizeof(int));
		kill(child, SIGCONT);
		waitpid(child, &status, WCONTINUED);
		printf("continued %d\n", WIFCONTINUED(status));
	}
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	printf("killed by %d\n", WTERMSIG(status));
	return 0;
}
