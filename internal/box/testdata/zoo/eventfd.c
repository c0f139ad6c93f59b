// Threads that add to an eventfd, and what its reader finds.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int counter, tickets;

static void *adder(void *arg) {
	for (int i = 0; i < 50; i++) {
		eventfd_write(counter, 1 + (long)arg);
		if (i % 10 == 0) usleep(20);
	}
	return NULL;
}

static void *taker(void *arg) {
	eventfd_t v;
	for (int i = 0; i < 5; i++) {
		eventfd_read(tickets, &v);
		dprintf(1, "taker %ld has ticket %d\n", (long)arg, i);
	}
	return NULL;
}

int main(void) {
	pthread_t t[6];
	eventfd_t v;
	counter = eventfd(0, 0);
	tickets = eventfd(0, EFD_SEMAPHORE);
	for (long i = 0; i < 6; i++) pthread_create(&t[i], NULL, i < 3 ? adder : taker, (void *)i);
	eventfd_write(tickets, 15);
	for (eventfd_t sum = 0; sum < 50 * 6; sum += v) {
		eventfd_read(counter, &v);
		dprintf(1, "read %llu\n", (unsigned long long)v);
	}
	for (int i = 0; i < 6; i++) pthread_join(t[i], NULL);
	return 0;
}
