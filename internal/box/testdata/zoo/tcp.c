// A TCP server on the loopback address and its clients: ports, order of
// accepting, sizes of receiving.
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in a;

static void *client(void *arg) {
	char b[1000];
	memset(b, 'a' + (int)(long)arg, sizeof b);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(s, (struct sockaddr *)&a, sizeof a)) return NULL;
	for (int i = 0; i < 20; i++) send(s, b, 1 + i * 40, 0);
	shutdown(s, SHUT_WR);
	while (recv(s, b, sizeof b, 0) > 0) {}
	close(s);
	return NULL;
}

int main(void) {
	pthread_t t[4];
	socklen_t n = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM, 0);
	a.sin_family = AF_INET;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(l, (struct sockaddr *)&a, sizeof a) || listen(l, 8) || getsockname(l, (struct sockaddr *)&a, &n)) return 1;
	printf("port %d\n", ntohs(a.sin_port));
	for (long i = 0; i < 4; i++) pthread_create(&t[i], NULL, client, (void *)i);
	for (int i = 0; i < 4; i++) {
		char b[3000];
		struct sockaddr_in from;
		n = sizeof from;
		int s = accept(l, (struct sockaddr *)&from, &n);
		printf("accepted from port %d\n", ntohs(from.sin_port));
		for (ssize_t got; (got = recv(s, b, sizeof b, 0)) > 0;) printf("%c %zd\n", b[0], got);
		close(s);
	}
	for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
	int closed = socket(AF_INET, SOCK_STREAM, 0);
	close(l);
	printf("nobody listens: %d\n", connect(closed, (struct sockaddr *)&a, sizeof a));
	return 0;
}
