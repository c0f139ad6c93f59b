// FUTEX_WAKE_OP: arithmetic on one word, waking at two.
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int a, b, woken;

static long futex(int *word, int op, int v, long v2, int *word2, unsigned v3) { return syscall(SYS_futex, word, op, v, v2, word2, v3); }

static void *waiter(void *arg) {
	int *word = (long)arg % 2 ? &a : &b;
	futex(word, FUTEX_WAIT_PRIVATE, 0, 0, NULL, 0);
	dprintf(1, "%d: waiter %ld\n", __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST), (long)arg);
	return NULL;
}

int main(void) {
	pthread_t t[6];
	for (long i = 0; i < 6; i++) pthread_create(&t[i], NULL, waiter, (void *)i);
	usleep(30000);
	long got = futex(&a, FUTEX_WAKE_OP_PRIVATE, 2, 2, &b, FUTEX_OP(FUTEX_OP_ADD, 7, FUTEX_OP_CMP_EQ, 0));
	dprintf(1, "add: %ld woken, b = %d\n", got, b);
	usleep(30000);
	got = futex(&a, FUTEX_WAKE_OP_PRIVATE, 9, 9, &b, FUTEX_OP(FUTEX_OP_SET, 3, FUTEX_OP_CMP_GT, 100));
	dprintf(1, "set, not greater: %ld woken, b = %d\n", got, b);
	got = futex(&a, FUTEX_WAKE_OP_PRIVATE, 9, 9, &b, FUTEX_OP((FUTEX_OP_ANDN | FUTEX_OP_OPARG_SHIFT), 1, FUTEX_OP_CMP_LE, 3));
	dprintf(1, "andn: %ld woken, b = %d\n", got, b);
	for (int i = 0; i < 6; i++) pthread_join(t[i], NULL);
	return 0;
}
