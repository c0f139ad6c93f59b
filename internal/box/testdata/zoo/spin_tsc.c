// A thread that waits for another by reading the time stamp counter without an
// end.
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

static volatile int flag;

static void *thread(void *arg) {
	struct timespec t = {0, 3000000};
	nanosleep(&t, NULL);
	flag = 1;
	return NULL;
}

int main(void) {
	pthread_t t;
	long looks = 0;
	unsigned long long now = 0;
	pthread_create(&t, NULL, thread, NULL);
	while (!flag) {
		now = __rdtsc();
		looks++;
	}
	printf("looked %ld times until %llu\n", looks, now);
	pthread_join(t, NULL);
	return 0;
}
