// The time stamp counter of the processor.
#include <stdio.h>
#include <x86intrin.h>

int main(void) {
	unsigned core;
	for (int i = 0; i < 3; i++) {
		printf("rdtsc %llu\n", (unsigned long long)__rdtsc());
		unsigned long long t = __rdtscp(&core);
		printf("rdtscp %llu on %u\n", t, core);
	}
	return 0;
}
