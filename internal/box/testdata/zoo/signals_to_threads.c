// Signals to the process: which of its threads gets them.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static __thread int me;
static volatile int by[5], total;

static void on(int s) {
	by[me]++;
	__atomic_add_fetch(&total, 1, __ATOMIC_SEQ_CST);
}

static void *thread(void *arg) {
	me = (int)(long)arg;
	while (total < 100) usleep(100);
	return NULL;
}

int main(void) {
	pthread_t t[4];
	signal(SIGUSR1, on);
	for (long i = 1; i < 5; i++) pthread_create(&t[i - 1], NULL, thread, (void *)i);
	for (int i = 0; total < 100; i++) {
		if (i % 2) kill(getpid(), SIGUSR1);
		else pthread_kill(t[i / 2 % 4], SIGUSR1);
		usleep(30);
	}
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
	printf("total %d: %d %d %d %d %d\n", total, by[0], by[1], by[2], by[3], by[4]);
	return 0;
}
