// Processes held by descriptors.
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	int fds[3];
	for (int i = 0; i < 3; i++) {
		pid_t p = fork();
		if (p == 0) {
			usleep(i == 1 ? 1000 : 5000000);
			_exit(i);
		}
		fds[i] = (int)syscall(SYS_pidfd_open, p, 0);
		if (fds[i] < 0) {
			printf("pidfd_open refused\n");
			kill(p, SIGKILL);
		}
	}
	if (fds[0] >= 0) {
		struct pollfd f[3] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}, {fds[2], POLLIN, 0}};
		int n = poll(f, 3, -1);
		printf("%d ready: %d %d %d\n", n, f[0].revents, f[1].revents, f[2].revents);
		syscall(SYS_pidfd_send_signal, fds[0], SIGTERM, NULL, 0);
		syscall(SYS_pidfd_send_signal, fds[2], SIGKILL, NULL, 0);
		for (int i = 0; i < 3; i++) {
			siginfo_t info = {0};
			waitid(P_PIDFD, fds[i], &info, WEXITED);
			printf("pid %d code %d status %d\n", info.si_pid, info.si_code, info.si_status);
		}
	}
	while (wait(NULL) > 0) {}
	return 0;
}
