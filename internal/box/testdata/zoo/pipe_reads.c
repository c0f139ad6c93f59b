// How the writes of two processes come out of a pipe: the sizes of reads.
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	int p[2];
	char b[1000];
	if (pipe(p)) return 1;
	for (int child = 0; child < 2; child++)
		if (fork() == 0) {
			memset(b, 'a' + child, sizeof b);
			for (int i = 1; i < 60; i++) {
				if (write(p[1], b, i) != i) return 1;
				if (i % 10 == 0) usleep(child * 50);
			}
			return 0;
		}
	close(p[1]);
	for (ssize_t n; (n = read(p[0], b, sizeof b)) > 0;) printf("%zd %.*s\n", n, (int)n, b);
	while (wait(NULL) > 0) {}
	return 0;
}
