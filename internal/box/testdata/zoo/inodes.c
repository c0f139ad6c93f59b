// Inode numbers when files are removed and made again, and kept by rename.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned long ino(const char *name) {
	struct stat s;
	return stat(name, &s) ? 0 : s.st_ino;
}

int main(void) {
	for (int i = 0; i < 5; i++) {
		close(open("f", O_WRONLY | O_CREAT, 0644));
		printf("f %lu\n", ino("f"));
		if (i % 2) unlink("f");
	}
	close(open("g", O_WRONLY | O_CREAT, 0644));
	unsigned long before = ino("g");
	rename("g", "h");
	printf("kept by rename: %d\n", before == ino("h"));
	int p[2];
	struct stat s;
	if (pipe(p)) return 1;
	fstat(p[0], &s);
	printf("pipe %lu on %lx\n", s.st_ino, s.st_dev);
	fstat(memfd_create("m", 0), &s);
	printf("memfd %lu\n", s.st_ino);
	return 0;
}
