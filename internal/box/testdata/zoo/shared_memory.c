// Processes race on memory that they share, with a mutex and without.
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
	pthread_mutex_t m;
	pthread_cond_t c;
	volatile long racy;
	int n;
	char order[2000];
};

int main(void) {
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t a;
	pthread_condattr_t ca;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&s->m, &a);
	pthread_condattr_init(&ca);
	pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&s->c, &ca);
	for (int p = 0; p < 4; p++)
		if (fork() == 0) {
			for (int i = 0; i < 300; i++) {
				pthread_mutex_lock(&s->m);
				s->order[s->n++] = 'a' + p;
				if (s->n == 1200) pthread_cond_broadcast(&s->c);
				pthread_mutex_unlock(&s->m);
				long v = s->racy;
				if (i % 50 == 0) usleep(1);
				s->racy = v + 1;
			}
			return 0;
		}
	pthread_mutex_lock(&s->m);
	while (s->n < 1200) pthread_cond_wait(&s->c, &s->m);
	pthread_mutex_unlock(&s->m);
	while (wait(NULL) > 0) {}
	printf("%s\nwithout a lock %ld of 1200\n", s->order, s->racy);
	return 0;
}
