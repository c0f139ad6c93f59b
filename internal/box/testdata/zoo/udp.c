// UDP on the loopback address: ports, and the order of datagrams.
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
	socklen_t n = sizeof a;
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	if (bind(s, (struct sockaddr *)&a, n) || getsockname(s, (struct sockaddr *)&a, &n)) return 1;
	printf("port %d\n", ntohs(a.sin_port));
	fflush(stdout);
	for (int c = 0; c < 3; c++)
		if (fork() == 0) {
			int k = socket(AF_INET, SOCK_DGRAM, 0);
			char b[40];
			for (int i = 0; i < 6; i++) {
				sendto(k, b, snprintf(b, sizeof b, "client %d datagram %d", c, i), 0, (struct sockaddr *)&a, sizeof a);
				usleep(10);
			}
			return 0;
		}
	for (int i = 0; i < 18; i++) {
		char b[40];
		n = sizeof from;
		ssize_t got = recvfrom(s, b, sizeof b, 0, (struct sockaddr *)&from, &n);
		printf("%.*s from port %d\n", (int)got, b, ntohs(from.sin_port));
	}
	while (wait(NULL) > 0) {}
	struct timeval limit = {0, 5000};
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	printf("after the limit: %zd\n", recv(s, &limit, 1, 0));
	return 0;
}
