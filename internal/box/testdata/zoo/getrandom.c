// getrandom in all its forms, and what libc makes of it.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

static void show(const char *what, const unsigned char *b, int n) {
	printf("%s ", what);
	for (int i = 0; i < n; i++) printf("%02x", b[i]);
	puts("");
}

int main(void) {
	unsigned char b[300];
	if (getrandom(b, 16, 0) != 16) return 1;
	show("getrandom", b, 16);
	if (getrandom(b, 16, GRND_NONBLOCK | GRND_RANDOM) != 16) return 1;
	show("GRND_RANDOM", b, 16);
	if (getentropy(b, 256)) return 1;
	show("getentropy", b, 256);
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 36)
	printf("arc4random %x\n", arc4random());
#endif
#endif
	fflush(stdout);
	if (fork() == 0) {
		if (getrandom(b, 16, 0) != 16) return 1;
		show("child", b, 16);
		return 0;
	}
	wait(NULL);
	return 0;
}
