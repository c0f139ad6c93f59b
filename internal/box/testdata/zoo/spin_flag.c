// A thread that spins without a system call until another sets a flag.
#include <pthread.h>
#include <stdio.h>

static volatile int flag;

static void *thread(void *arg) {
	flag = 1;
	return NULL;
}

int main(void) {
	pthread_t t;
	unsigned long spins = 0;
	pthread_create(&t, NULL, thread, NULL);
	while (!flag) spins++;
	printf("%lu spins\n", spins);
	pthread_join(t, NULL);
	return 0;
}
