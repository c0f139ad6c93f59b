// Numbers of the core in CPUID: the APIC ID changes from core to core.
#include <cpuid.h>
#include <stdio.h>

int main(void) {
	unsigned a = 0, b = 0, c = 0, d = 0;
	__get_cpuid(0, &a, &b, &c, &d);
	printf("leaf 0: %x %.4s%.4s%.4s\n", a, (char *)&b, (char *)&d, (char *)&c);
	for (int i = 0; i < 1000; i++) {
		__get_cpuid(1, &a, &b, &c, &d);
		if (i % 200 == 0) printf("leaf 1: %x %x %x %x\n", a, b, c, d);
	}
	return 0;
}
