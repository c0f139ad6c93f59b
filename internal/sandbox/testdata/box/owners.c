// Processes that end with a lock that others wait for: by themselves, by a
// fault and by another; a plain lock, and one whose owner inherits priorities.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t *make(int inherits) {
	pthread_mutex_t *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	if (inherits) pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	if (pthread_mutex_init(m, &a)) puts("no such lock");
	return m;
}

int main(void) {
	for (int kind = 0; kind < 6; kind++) {
		pthread_mutex_t *m = make(kind % 2);
		fflush(stdout);
		pid_t owner = fork();
		if (!owner) {
			pthread_mutex_lock(m);
			usleep(10000);
			if (kind / 2 == 1) raise(SIGSEGV);
			if (kind / 2 == 2) pause();
			_exit(0);
		}
		usleep(1000);
		if (!fork()) {
			int e = pthread_mutex_lock(m);
			if (e == EOWNERDEAD) pthread_mutex_consistent(m);
			printf("%d: the owner has died: %d\n", kind, e == EOWNERDEAD);
			fflush(stdout);
			pthread_mutex_unlock(m);
			_exit(0);
		}
		usleep(1000);
		if (kind / 2 == 2) kill(owner, SIGKILL);
		while (wait(NULL) > 0) {}
	}
	return 0;
}
