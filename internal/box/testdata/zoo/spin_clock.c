// A thread that waits for another by looking at the clock without an end.
#include <pthread.h>
#include <stdio.h>
#include <time.h>

static volatile int flag;

static void *thread(void *arg) {
	struct timespec t = {0, 3000000};
	nanosleep(&t, NULL);
	flag = 1;
	return NULL;
}

int main(void) {
	pthread_t t;
	struct timespec now;
	long looks = 0;
	pthread_create(&t, NULL, thread, NULL);
	while (!flag) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		looks++;
	}
	printf("looked %ld times until %lld.%09ld\n", looks, (long long)now.tv_sec, now.tv_nsec);
	pthread_join(t, NULL);
	return 0;
}
