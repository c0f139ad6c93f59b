// Orphans: who their parent becomes, and a signal when a parent dies.
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void on(int s) { dprintf(1, "told that the parent died\n"); }

static void orphan(const char *what) {
	if (fork() == 0) {
		pid_t parent = getpid();
		if (fork() == 0) {
			signal(SIGUSR1, on);
			prctl(PR_SET_PDEATHSIG, SIGUSR1);
			while (getppid() == parent) usleep(500);
			dprintf(1, "%s: parent is now %d\n", what, getppid());
			_exit(3);
		}
		usleep(2000);
		_exit(2);
	}
}

int main(void) {
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	orphan("with a reaper");
	int status;
	for (pid_t p; (p = wait(&status)) > 0;) dprintf(1, "pid %d ended with %d\n", p, WEXITSTATUS(status));
	return 0;
}
