// Randomness made of how much the time of a piece of work differs. Where it
// does not, the program ends, as libraries do that are made like this.
#include <stdio.h>
#include <stdlib.h>
#include <x86intrin.h>

#define ROUNDS 1024

static volatile unsigned char memory[1 << 16];

static long distance(long a, long b) { return a > b ? a - b : b - a; }

int main(void) {
	unsigned long long pool = 14695981039346656037ULL, last = __rdtsc();
	long delta = 0, change = 0, stuck = 0, varied = 0;
	for (int i = 0; i < ROUNDS; i++) {
		for (unsigned k = 0; k < 128; k++) memory[(k * 4099u + i * 63u) % sizeof memory]++;
		unsigned long long now = __rdtsc();
		long d = now - last, c = distance(d, delta), cc = distance(c, change);
		last = now, delta = d, change = c;
		stuck += !d || !c || !cc;
		varied += c;
		pool = (pool ^ (unsigned long long)d) * 1099511628211ULL;
	}
	if (stuck > ROUNDS * 9 / 10 || varied <= ROUNDS) abort();
	printf("stuck %ld, varied by %ld, %016llx\n", stuck, varied, pool);
	return 0;
}
