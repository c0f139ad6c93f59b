// Where the stack is: it begins below arguments and environment.
#include <stdint.h>
#include <stdio.h>

int main(int argc, char **argv) {
	char here;
	printf("modulo page %u\nmodulo 64 %u\nfrom argv[0] %ld\n", (unsigned)((uintptr_t)&here % 4096), (unsigned)((uintptr_t)&here % 64),
		(long)(argv[0] - &here));
	return 0;
}
