// A spin lock, whose holder never waits for the system, and spinning with
// sched_yield.
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static pthread_spinlock_t l;
static char order[3001];
static int n, turn;

static void *thread(void *arg) {
	int me = (int)(long)arg;
	for (int i = 0; i < 1000; i++) {
		pthread_spin_lock(&l);
		order[n++] = 'a' + me;
		pthread_spin_unlock(&l);
		if (i % 200 == 0) usleep(1);
	}
	for (int i = 0; i < 20; i++) {
		int spins = 0;
		while (__atomic_load_n(&turn, __ATOMIC_SEQ_CST) % 3 != me) {
			sched_yield();
			spins++;
		}
		dprintf(1, "thread %d yielded %d times\n", me, spins);
		__atomic_add_fetch(&turn, 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

int main(void) {
	pthread_t t[3];
	pthread_spin_init(&l, PTHREAD_PROCESS_PRIVATE);
	for (long i = 0; i < 3; i++) pthread_create(&t[i], NULL, thread, (void *)i);
	for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
	puts(order);
	return 0;
}
