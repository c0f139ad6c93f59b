// Threads that end in every way: joined, detached, cancelled, left behind.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void cleanup(void *arg) { dprintf(1, "cleanup %ld\n", (long)arg); }

static void *sleeper(void *arg) {
	pthread_cleanup_push(cleanup, arg);
	for (;;) usleep(1000);
	pthread_cleanup_pop(0);
	return NULL;
}

static void *quick(void *arg) {
	usleep(100 * (long)arg % 300);
	dprintf(1, "quick %ld\n", (long)arg);
	return arg;
}

int main(void) {
	pthread_t t[6], s[3];
	for (long i = 0; i < 6; i++) pthread_create(&t[i], NULL, quick, (void *)i);
	for (long i = 0; i < 3; i++) pthread_create(&s[i], NULL, sleeper, (void *)i);
	pthread_detach(t[5]);
	for (int i = 4; i >= 0; i--) {
		void *got;
		pthread_join(t[i], &got);
		dprintf(1, "joined %ld\n", (long)got);
	}
	pthread_cancel(s[1]);
	void *got;
	pthread_join(s[1], &got);
	dprintf(1, "cancelled %d, try %d\n", got == PTHREAD_CANCELED, pthread_tryjoin_np(s[0], &got) != 0);
	return 0; // two still sleep
}
