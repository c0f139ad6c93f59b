// gettimeofday, time and timespec_get, and that time goes on.
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

int main(void) {
	struct timeval v;
	struct timespec t;
	long last = 0;
	for (int i = 0; i < 5; i++) {
		gettimeofday(&v, NULL);
		long now = v.tv_sec * 1000000 + v.tv_usec;
		printf("gettimeofday %lld.%06ld, not earlier: %d\n", (long long)v.tv_sec, v.tv_usec, now >= last);
		last = now;
	}
	timespec_get(&t, TIME_UTC);
	printf("timespec_get %lld.%09ld\n", (long long)t.tv_sec, t.tv_nsec);
	printf("time %lld\n", (long long)time(NULL));
	return 0;
}
