// Waiting for a condition with a limit, by the clocks of day and machine.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

static void *thread(void *arg) {
	clockid_t id = (clockid_t)(long)arg;
	pthread_condattr_t a;
	pthread_cond_t c;
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, id);
	pthread_cond_init(&c, &a);
	for (int i = 0; i < 4; i++) {
		struct timespec t, u;
		clock_gettime(id, &t);
		u = t;
		u.tv_nsec += 5000000 + i * 1000000;
		if (u.tv_nsec >= 1000000000) u.tv_sec++, u.tv_nsec -= 1000000000;
		pthread_mutex_lock(&m);
		int got = pthread_cond_timedwait(&c, &m, &u);
		pthread_mutex_unlock(&m);
		clock_gettime(id, &u);
		printf("clock %d: timed out %d after %lld ns\n", (int)id, got == ETIMEDOUT, (u.tv_sec - t.tv_sec) * 1000000000LL + u.tv_nsec - t.tv_nsec);
	}
	return NULL;
}

int main(void) {
	pthread_t t[2];
	pthread_create(&t[0], NULL, thread, (void *)CLOCK_REALTIME);
	pthread_create(&t[1], NULL, thread, (void *)CLOCK_MONOTONIC);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
	struct timespec u;
	pthread_mutex_lock(&held);
	clock_gettime(CLOCK_REALTIME, &u);
	u.tv_sec++;
	printf("timedlock %d\n", pthread_mutex_timedlock(&held, &u) == ETIMEDOUT);
	return 0;
}
