// Producers and consumers around two condition variables: who takes what.
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t full = PTHREAD_COND_INITIALIZER, empty = PTHREAD_COND_INITIALIZER;
static int queue[3], queued, left = 120;

static void *producer(void *arg) {
	for (int i = 0; i < 40; i++) {
		pthread_mutex_lock(&m);
		while (queued == 3) pthread_cond_wait(&empty, &m);
		queue[queued++] = (int)(long)arg * 100 + i;
		pthread_cond_signal(&full);
		pthread_mutex_unlock(&m);
		if (i % 8 == 0) usleep(100);
	}
	return NULL;
}

static void *consumer(void *arg) {
	for (;;) {
		pthread_mutex_lock(&m);
		while (!queued && left) pthread_cond_wait(&full, &m);
		if (!left) break;
		printf("%c %d\n", 'a' + (int)(long)arg, queue[--queued]);
		if (--left == 0) pthread_cond_broadcast(&full);
		pthread_cond_signal(&empty);
		pthread_mutex_unlock(&m);
	}
	pthread_mutex_unlock(&m);
	return NULL;
}

int main(void) {
	pthread_t t[6];
	for (long i = 0; i < 6; i++) pthread_create(&t[i], NULL, i < 3 ? producer : consumer, (void *)i);
	for (int i = 0; i < 6; i++) pthread_join(t[i], NULL);
	return 0;
}
