// Threads that start at once: the order in which they arrive.
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_barrier_t start;
static int place;

static void *thread(void *arg) {
	pthread_barrier_wait(&start);
	for (int i = 0; i < 5; i++) usleep(50);
	dprintf(1, "%d: thread %ld\n", __atomic_add_fetch(&place, 1, __ATOMIC_SEQ_CST), (long)arg);
	return NULL;
}

int main(void) {
	pthread_t t[16];
	pthread_barrier_init(&start, NULL, 16);
	for (long i = 0; i < 16; i++) pthread_create(&t[i], NULL, thread, (void *)i);
	for (int i = 0; i < 16; i++) pthread_join(t[i], NULL);
	return 0;
}
