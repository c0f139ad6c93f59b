// A thread that looks at memory until another has changed it. With an
// argument, it counts how often it has looked.
#include <pthread.h>
#include <stdio.h>

static volatile int flag;

static void *set(void *arg) {
	puts("set");
	flag = 1;
	return arg;
}

int main(int argc, char **argv) {
	pthread_t t;
	volatile unsigned long n = 0;
	pthread_create(&t, NULL, set, NULL);
	if (argc > 1)
		while (!flag) n++;
	else
		while (!flag) {}
	puts("seen");
	pthread_join(t, NULL);
	return 0;
}
