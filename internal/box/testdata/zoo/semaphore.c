// Semaphores: between threads, with a limit of time, and between processes in
// shared memory.
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static sem_t *s;

static void use(const char *who, int n) {
	for (int i = 0; i < 20; i++) {
		sem_wait(s);
		dprintf(1, "%s %d: %d\n", who, n, i);
		if (i % 7 == 0) usleep(10);
		sem_post(s);
	}
}

static void *thread(void *arg) {
	use("thread", (int)(long)arg);
	return NULL;
}

int main(void) {
	s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sem_init(s, 1, 2);
	for (int p = 0; p < 3; p++)
		if (fork() == 0) {
			use("process", p);
			return 0;
		}
	pthread_t t[3];
	for (long i = 0; i < 3; i++) pthread_create(&t[i], NULL, thread, (void *)i);
	for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
	while (wait(NULL) > 0) {}
	struct timespec u;
	clock_gettime(CLOCK_REALTIME, &u);
	u.tv_sec++;
	sem_wait(s);
	sem_wait(s);
	int got = sem_timedwait(s, &u);
	dprintf(1, "timed out: %d\n", got == -1 && errno == ETIMEDOUT);
	return 0;
}
