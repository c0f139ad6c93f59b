// futex itself: wake, requeue, compare and requeue, bit sets, limits of time.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int a, b, woken;

static long futex(int *word, int op, int v, void *t, int *word2, unsigned v3) { return syscall(SYS_futex, word, op, v, t, word2, v3); }

static void *waiter(void *arg) {
	long got = futex(&a, FUTEX_WAIT_BITSET, 0, NULL, NULL, 1u << (long)arg);
	dprintf(1, "%d: waiter %ld, %ld\n", __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST), (long)arg, got);
	return NULL;
}

int main(void) {
	pthread_t t[8];
	for (long i = 0; i < 8; i++) pthread_create(&t[i], NULL, waiter, (void *)i);
	usleep(30000);
	dprintf(1, "wake by bits %ld\n", futex(&a, FUTEX_WAKE_BITSET, 8, NULL, NULL, 0x42));
	usleep(30000);
	dprintf(1, "wake one %ld\n", futex(&a, FUTEX_WAKE, 1, NULL, NULL, 0));
	dprintf(1, "compare fails %ld %d\n", futex(&a, FUTEX_CMP_REQUEUE, 1, (void *)9, &b, 5), errno == EAGAIN);
	dprintf(1, "compare and requeue %ld\n", futex(&a, FUTEX_CMP_REQUEUE, 1, (void *)2, &b, 0));
	dprintf(1, "requeue %ld\n", futex(&a, FUTEX_REQUEUE, 0, (void *)9, &b, 0));
	dprintf(1, "wake the rest %ld\n", futex(&b, FUTEX_WAKE, 99, NULL, NULL, 0));
	for (int i = 0; i < 8; i++) pthread_join(t[i], NULL);
	struct timespec s = {0, 5000000}, x, y;
	clock_gettime(CLOCK_MONOTONIC, &x);
	long got = futex(&a, FUTEX_WAIT, 0, &s, NULL, 0);
	int timedout = errno == ETIMEDOUT;
	clock_gettime(CLOCK_MONOTONIC, &y);
	printf("timed out %ld %d after %ld ns\n", got, timedout, (y.tv_sec - x.tv_sec) * 1000000000L + y.tv_nsec - x.tv_nsec);
	printf("another value %ld %d\n", futex(&a, FUTEX_WAIT, 1, NULL, NULL, 0), errno == EAGAIN);
	return 0;
}
