// Numbers of processes where they are told: signals, credentials, locks,
// owners, links of /proc, names of files.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t sender;

static void on(int s, siginfo_t *i, void *c) { sender = i->si_pid; }

int main(void) {
	struct sigaction a = {.sa_sigaction = on, .sa_flags = SA_SIGINFO};
	sigaction(SIGUSR1, &a, NULL);
	int s[2], fd = open("locked", O_RDWR | O_CREAT, 0644), go[2];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) || pipe(go)) return 1;
	if (fork() == 0) {
		struct flock l = {.l_type = F_WRLCK};
		fcntl(fd, F_SETLK, &l);
		if (write(s[1], "x", 1) != 1) return 1;
		kill(getppid(), SIGUSR1);
		char c;
		return read(go[0], &c, 1) != 1;
	}
	char c, name[100];
	while (read(s[0], &c, 1) != 1) {}
	while (!sender) poll(NULL, 0, 1);
	printf("si_pid %d\n", (int)sender);
	struct ucred u;
	socklen_t n = sizeof u;
	getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &n);
	printf("SO_PEERCRED %d\n", u.pid);
	struct flock l = {.l_type = F_WRLCK};
	fcntl(fd, F_GETLK, &l);
	printf("l_pid %d\n", l.l_pid);
	fcntl(s[0], F_SETOWN, getpid());
	printf("F_GETOWN %d\n", fcntl(s[0], F_GETOWN));
	const char *links[] = {"/proc/self", "/proc/thread-self"};
	for (int i = 0; i < 2; i++) {
		ssize_t k = readlink(links[i], name, sizeof name);
		printf("%s %.*s\n", links[i], (int)k, name);
	}
	snprintf(name, sizeof name, "/proc/%d/comm", getpid());
	printf("my /proc is there: %d\n", access(name, R_OK) == 0);
	if (write(go[1], "x", 1) != 1) return 1;
	siginfo_t info;
	waitid(P_ALL, 0, &info, WEXITED);
	printf("waitid %d\n", info.si_pid);
	return 0;
}
