// Which of several descriptors select and poll find ready, and when.
#include <poll.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	int p[6][2], ended = 0;
	for (int i = 0; i < 6; i++) {
		if (pipe(p[i])) return 1;
		if (fork() == 0) {
			for (int k = 0; k < 6; k++) {
				if (write(p[i][1], "x", 1) != 1) return 1;
				usleep((i * 7 + k * 3) % 5 * 40);
			}
			return 0;
		}
		close(p[i][1]);
	}
	for (int round = 0; ended < 6; round++) {
		fd_set set;
		struct pollfd f[6];
		FD_ZERO(&set);
		for (int i = 0; i < 6; i++) {
			f[i] = (struct pollfd){p[i][0], POLLIN, 0};
			if (p[i][0] >= 0) FD_SET(p[i][0], &set);
		}
		int n = round % 2 ? poll(f, 6, -1) : select(100, &set, NULL, NULL, NULL);
		printf("%d ready:", n);
		for (int i = 0; i < 6; i++) {
			char b[10];
			if (p[i][0] < 0 || !(round % 2 ? f[i].revents : FD_ISSET(p[i][0], &set))) continue;
			ssize_t got = read(p[i][0], b, sizeof b);
			printf(" %d has %zd", i, got);
			if (got == 0) p[i][0] = -1, ended++;
		}
		puts("");
	}
	while (wait(NULL) > 0) {}
	return 0;
}
