// Four processes contend for a lock: the order in which they get it.
#include <stdio.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	int log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);
	for (int p = 0; p < 4; p++)
		if (fork() == 0) {
			int fd = open("lock", O_RDWR | O_CREAT, 0644);
			for (int i = 0; i < 20; i++) {
				flock(fd, LOCK_EX);
				dprintf(log, "%d:%d\n", p, i);
				flock(fd, LOCK_UN);
				if (flock(fd, LOCK_SH | LOCK_NB)) dprintf(log, "%d:%d busy\n", p, i);
			}
			return 0;
		}
	while (wait(NULL) > 0) {}
	char b[4096];
	int fd = open("log", O_RDONLY);
	for (ssize_t n; (n = read(fd, b, sizeof b)) > 0;) fwrite(b, 1, n, stdout);
	return 0;
}
