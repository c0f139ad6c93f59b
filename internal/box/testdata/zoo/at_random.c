// AT_RANDOM: the 16 bytes from which libc makes the stack protector and the
// pointer guard.
#include <stdint.h>
#include <stdio.h>
#include <sys/auxv.h>

int main(void) {
	const unsigned char *r = (const unsigned char *)getauxval(AT_RANDOM);
	for (int i = 0; i < 16; i++) printf("%02x", r[i]);
	uint64_t canary, guard;
	__asm__("mov %%fs:0x28, %0" : "=r"(canary));
	__asm__("mov %%fs:0x30, %0" : "=r"(guard));
	printf("\ncanary %016llx\nguard %016llx\n", (unsigned long long)canary, (unsigned long long)guard);
	return 0;
}
