// Processes that meet at named pipes: opening one waits for the other side.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	mkfifo("f", 0644);
	for (int p = 0; p < 4; p++)
		if (fork() == 0) {
			int fd = open("f", O_WRONLY);
			for (int i = 0; i < 5; i++) {
				dprintf(fd, "writer %d line %d\n", p, i);
				usleep(p * 100);
			}
			return 0;
		}
	int fd = open("f", O_RDONLY);
	char b[512];
	for (ssize_t n; (n = read(fd, b, sizeof b)) > 0;) {
		printf("read %zd\n", n);
		fwrite(b, 1, n, stdout);
	}
	while (wait(NULL) > 0) {}
	return 0;
}
