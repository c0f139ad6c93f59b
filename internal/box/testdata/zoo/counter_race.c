// A counter that threads raise without a lock: how many updates are lost.
#include <pthread.h>
#include <stdio.h>
#include <time.h>

static volatile long counter;

static void *thread(void *arg) {
	struct timespec t;
	for (int i = 0; i < 20000; i++) {
		long v = counter;
		if (i % 64 == 0) clock_gettime(CLOCK_MONOTONIC, &t);
		counter = v + 1;
	}
	return NULL;
}

int main(void) {
	pthread_t t[4];
	for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, thread, NULL);
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
	printf("%ld of 80000\n", counter);
	return 0;
}
