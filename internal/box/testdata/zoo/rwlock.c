// Readers and writers of one lock: what the readers see.
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
static int version;
static int seen[4][100];

static void *reader(void *arg) {
	for (int i = 0; i < 100; i++) {
		pthread_rwlock_rdlock(&l);
		seen[(long)arg][i] = version;
		if (i % 10 == 0) usleep(20);
		pthread_rwlock_unlock(&l);
	}
	return NULL;
}

static void *writer(void *arg) {
	for (int i = 0; i < 50; i++) {
		pthread_rwlock_wrlock(&l);
		version++;
		pthread_rwlock_unlock(&l);
		usleep(30);
	}
	return NULL;
}

int main(void) {
	pthread_t t[6];
	for (long i = 0; i < 6; i++) pthread_create(&t[i], NULL, i < 4 ? reader : writer, (void *)i);
	for (int i = 0; i < 6; i++) pthread_join(t[i], NULL);
	for (int r = 0; r < 4; r++) {
		for (int i = 0; i < 100; i++) printf("%d ", seen[r][i]);
		puts("");
	}
	return 0;
}
