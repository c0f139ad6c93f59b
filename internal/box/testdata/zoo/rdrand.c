// Random numbers from an instruction, which no tracer sees.
#include <immintrin.h>
#include <stdio.h>

int main(void) {
	unsigned long long v = 0;
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("rdrnd")) {
		puts("no rdrand");
		return 0;
	}
	int ok;
	__asm__ volatile("rdrand %0; sbb %1, %1" : "=r"(v), "=r"(ok) : : "cc");
	printf("rdrand %d %llx\n", -ok, v);
	return 0;
}
