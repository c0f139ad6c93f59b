// How times of files move when they are written, renamed, touched and truncated.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void show(const char *what, const char *name) {
	struct stat s;
	stat(name, &s);
	printf("%s: mtime %ld.%09ld ctime %ld.%09ld\n", what, s.st_mtim.tv_sec, s.st_mtim.tv_nsec, s.st_ctim.tv_sec, s.st_ctim.tv_nsec);
}

int main(void) {
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	show("made", "f");
	usleep(20000);
	if (write(fd, "abc", 3) != 3) return 1;
	show("written", "f");
	usleep(20000);
	chmod("f", 0600);
	show("chmod", "f");
	usleep(20000);
	rename("f", "g");
	show("renamed", "g");
	struct timespec set[2] = {{1000000000, 5}, {1234567890, 123456789}};
	utimensat(AT_FDCWD, "g", set, 0);
	show("set", "g");
	futimens(fd, NULL);
	show("touched", "g");
	if (ftruncate(fd, 1)) return 1;
	show("truncated", "g");
	show("directory", ".");
	return 0;
}
