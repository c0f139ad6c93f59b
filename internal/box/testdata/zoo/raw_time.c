// Time by system calls, past the vDSO.
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int main(void) {
	struct timespec t;
	struct timeval v;
	syscall(SYS_clock_gettime, CLOCK_REALTIME, &t);
	printf("clock_gettime %lld.%09ld\n", (long long)t.tv_sec, t.tv_nsec);
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	printf("monotonic %lld.%09ld\n", (long long)t.tv_sec, t.tv_nsec);
	syscall(SYS_gettimeofday, &v, NULL);
	printf("gettimeofday %lld.%06ld\n", (long long)v.tv_sec, v.tv_usec);
	printf("time %ld\n", syscall(SYS_time, NULL));
	return 0;
}
