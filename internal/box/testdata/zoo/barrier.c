// A barrier: which thread is told that it is the last.
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_barrier_t b;
static int last[50];

static void *thread(void *arg) {
	for (int i = 0; i < 50; i++) {
		if (i % 5 == 0) usleep(10);
		if (pthread_barrier_wait(&b) == PTHREAD_BARRIER_SERIAL_THREAD) last[i] = (int)(long)arg;
	}
	return NULL;
}

int main(void) {
	pthread_t t[5];
	pthread_barrier_init(&b, NULL, 5);
	for (long i = 0; i < 5; i++) pthread_create(&t[i], NULL, thread, (void *)i);
	for (int i = 0; i < 5; i++) pthread_join(t[i], NULL);
	for (int i = 0; i < 50; i++) printf("%d ", last[i]);
	puts("");
	return 0;
}
