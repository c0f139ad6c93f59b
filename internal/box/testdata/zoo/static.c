// A static program: time, addresses and randomness without a loader.
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

int main(void) {
	int here;
	unsigned r;
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	if (getrandom(&r, sizeof r, 0) != sizeof r) return 1;
	printf("time %lld.%09ld\nrandom %x\nstack %p\nbreak %p\nmalloc %p\n", (long long)t.tv_sec, t.tv_nsec, r, (void *)&here, sbrk(0), malloc(5));
	return 0;
}
