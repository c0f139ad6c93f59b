// alarm and pause, and what is left of an alarm that is cancelled.
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void on(int s) {}

int main(void) {
	signal(SIGALRM, on);
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	alarm(1);
	pause();
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("paused %lld ns\n", (b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec);
	alarm(100);
	printf("left %u\n", alarm(0));
	return 0;
}
