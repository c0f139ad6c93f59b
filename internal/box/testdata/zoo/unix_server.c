// A server on a unix socket and four clients: in which order they are served.
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int l = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(l, (struct sockaddr *)&a, sizeof a) || listen(l, 8)) return 1;
	for (int c = 0; c < 4; c++)
		if (fork() == 0) {
			char b[100];
			int s = socket(AF_UNIX, SOCK_STREAM, 0);
			if (connect(s, (struct sockaddr *)&a, sizeof a)) return 1;
			for (int i = 0; i < 5; i++) {
				int n = snprintf(b, sizeof b, "client %d message %d", c, i);
				send(s, b, n, 0);
				if (recv(s, b, sizeof b, 0) <= 0) return 1;
			}
			return 0;
		}
	struct pollfd p[5] = {{l, POLLIN, 0}};
	int n = 1, ended = 0;
	while (ended < 4) {
		poll(p, n, -1);
		if (p[0].revents) p[n++] = (struct pollfd){accept(l, NULL, NULL), POLLIN, 0};
		for (int i = 1; i < n; i++) {
			char b[100];
			if (p[i].fd < 0 || !p[i].revents) continue;
			ssize_t got = recv(p[i].fd, b, sizeof b, 0);
			printf("connection %d: %.*s\n", i, (int)got, b);
			if (got > 0) send(p[i].fd, b, got, 0);
			else p[i].fd = -1, ended++;
		}
	}
	while (wait(NULL) > 0) {}
	unlink("socket");
	return 0;
}
