// Two processes that signal each other, and a third that is killed.
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t got;

static void on(int s) { got++; }

int main(void) {
	struct sigaction a = {.sa_handler = on};
	sigset_t block, old;
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, &old);
	sigaction(SIGUSR1, &a, NULL);
	pid_t child = fork();
	if (child == 0) {
		for (int i = 0; i < 10; i++) {
			sigsuspend(&old);
			dprintf(1, "child has %d\n", (int)got);
			kill(getppid(), SIGUSR1);
		}
		return 7;
	}
	for (int i = 0; i < 10; i++) {
		kill(child, SIGUSR1);
		sigsuspend(&old);
		dprintf(1, "parent has %d\n", (int)got);
	}
	int status;
	waitpid(child, &status, 0);
	dprintf(1, "child ended with %d\n", WEXITSTATUS(status));
	pid_t victim = fork();
	if (victim == 0)
		for (int i = 0;; i++) {
			dprintf(1, "victim lives %d\n", i);
			usleep(1000);
		}
	usleep(5500);
	kill(victim, SIGTERM);
	waitpid(victim, &status, 0);
	dprintf(1, "victim died of %d\n", WTERMSIG(status));
	return 0;
}
