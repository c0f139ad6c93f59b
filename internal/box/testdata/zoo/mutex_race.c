// Four threads contend for a mutex: the order in which they get it.
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static char order[4001];
static int n;

static void *thread(void *arg) {
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&m);
		order[n++] = 'a' + (long)arg;
		if (i % 100 == 0) usleep(1);
		pthread_mutex_unlock(&m);
	}
	return NULL;
}

int main(void) {
	pthread_t t[4];
	for (long i = 0; i < 4; i++) pthread_create(&t[i], NULL, thread, (void *)i);
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
	puts(order);
	return 0;
}
