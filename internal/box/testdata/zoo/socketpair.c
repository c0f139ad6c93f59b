// Socket pairs of each type: what one receive gets of what several sent.
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void try(const char *name, int type) {
	int s[2];
	char b[500];
	if (socketpair(AF_UNIX, type, 0, s)) return;
	for (int child = 0; child < 2; child++)
		if (fork() == 0) {
			for (int i = 1; i < 30; i++) send(s[1], b, i, 0);
			_exit(0);
		}
	for (int left = 2 * 29 * 30 / 2; left > 0;) {
		ssize_t n = recv(s[0], b, sizeof b, 0);
		printf("%s %zd\n", name, n);
		left -= n;
	}
	while (wait(NULL) > 0) {}
	struct timeval limit = {0, 5000};
	setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	printf("%s after the limit: %zd\n", name, recv(s[0], b, 1, 0));
	fflush(stdout);
}

int main(void) {
	try("stream", SOCK_STREAM);
	try("datagram", SOCK_DGRAM);
	try("packet", SOCK_SEQPACKET);
	return 0;
}
