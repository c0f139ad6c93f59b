// A descriptor sent through a unix socket, with the credentials of its sender.
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	int s[2], p[2], on = 1;
	char byte = 'x', control[200], b[50];
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control};
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) || pipe(p)) return 1;
	setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	if (fork() == 0) {
		m.msg_controllen = CMSG_SPACE(sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &p[1], sizeof(int));
		return sendmsg(s[1], &m, 0) != 1;
	}
	m.msg_controllen = sizeof control;
	if (recvmsg(s[0], &m, 0) != 1) return 1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		struct ucred u;
		int fd;
		if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&u, CMSG_DATA(c), sizeof u);
			printf("sent by pid %d\n", u.pid);
		}
		if (c->cmsg_type == SCM_RIGHTS) {
			memcpy(&fd, CMSG_DATA(c), sizeof fd);
			dprintf(fd, "through descriptor %d", fd);
		}
	}
	ssize_t n = read(p[0], b, sizeof b);
	printf("%.*s\n", (int)n, b);
	wait(NULL);
	return 0;
}
