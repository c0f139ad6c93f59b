// Mutexes that inherit priority and mutexes that survive their owner.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t inherit, robust;
static char order[400];
static int n;

static void *thread(void *arg) {
	for (int i = 0; i < 100; i++) {
		if (pthread_mutex_lock(&inherit)) return NULL;
		order[n++] = 'a' + (long)arg;
		if (i % 20 == 0) usleep(10);
		pthread_mutex_unlock(&inherit);
	}
	return NULL;
}

static void *dies(void *arg) {
	pthread_mutex_lock(&robust);
	return NULL;
}

int main(void) {
	pthread_mutexattr_t a;
	pthread_t t[3];
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	printf("init %d\n", pthread_mutex_init(&inherit, &a));
	for (long i = 0; i < 3; i++) pthread_create(&t[i], NULL, thread, (void *)i);
	for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
	printf("%.*s\n", n, order);
	pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_NONE);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &a);
	pthread_create(&t[0], NULL, dies, NULL);
	pthread_join(t[0], NULL);
	printf("owner died: %d\n", pthread_mutex_lock(&robust) == EOWNERDEAD);
	return 0;
}
