// /dev/urandom and /dev/random, by read, readv, stdio and dup.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static void show(const char *what, const unsigned char *b, int n) {
	printf("%s ", what);
	for (int i = 0; i < n; i++) printf("%02x", b[i]);
	puts("");
}

int main(void) {
	unsigned char b[64];
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "/dev/random" : "/dev/urandom";
		int fd = open(name, O_RDONLY | O_CLOEXEC);
		if (read(fd, b, 16) != 16) return 1;
		show(name, b, 16);
		struct iovec v[2] = {{b, 5}, {b + 20, 7}};
		if (readv(dup(fd), v, 2) != 12) return 1;
		show("readv", b, 5);
		struct stat s;
		fstat(fd, &s);
		printf("is a device: %d\n", S_ISCHR(s.st_mode));
		FILE *f = fopen(name, "r");
		if (fread(b, 1, 64, f) != 64) return 1;
		show("fread", b, 64);
		fclose(f);
	}
	return 0;
}
