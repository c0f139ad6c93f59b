// The core that a thread finds itself on, again and again.
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static int seen[2][200];

static void *thread(void *arg) {
	for (int i = 0; i < 200; i++) {
		seen[(long)arg][i] = sched_getcpu();
		usleep(i % 7);
	}
	return NULL;
}

int main(void) {
	pthread_t t[2];
	for (long i = 0; i < 2; i++) pthread_create(&t[i], NULL, thread, (void *)i);
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], NULL);
		for (int k = 0; k < 200; k++) printf("%d", seen[i][k]);
		puts("");
	}
	return 0;
}
