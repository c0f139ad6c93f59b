// The umask, and the modes of files that are made.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
	struct stat s;
	close(open("made", O_WRONLY | O_CREAT, 0777));
	mkdir("directory", 0777);
	stat("made", &s);
	printf("file %o\n", s.st_mode);
	stat("directory", &s);
	printf("directory %o\n", s.st_mode);
	printf("umask %o\n", umask(0));
	return 0;
}
