// How long nanosleep, clock_nanosleep and usleep really sleep.
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void) {
	struct timespec d = {0, 20000000}, until;
	long long a = now();
	nanosleep(&d, NULL);
	long long b = now();
	printf("nanosleep 20 ms took %lld ns\n", b - a);
	clock_nanosleep(CLOCK_REALTIME, 0, &d, NULL);
	a = now();
	printf("clock_nanosleep 20 ms took %lld ns\n", a - b);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 1;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
	b = now();
	printf("until a second later took %lld ns\n", b - a);
	usleep(1500);
	printf("usleep 1500 took %lld ns\n", now() - b);
	struct timespec bad = {0, 2000000000};
	printf("a bad time: %d %d\n", nanosleep(&bad, NULL), errno);
	return 0;
}
