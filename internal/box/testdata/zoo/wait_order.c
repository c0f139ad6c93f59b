// Children that end in their own time: the order in which wait finds them.
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
	for (int i = 0; i < 9; i++)
		if (fork() == 0) {
			volatile long n = 0;
			for (long k = 0; k < (i * 5 % 9 + 1) * 300000L; k++) n += k;
			_exit(i);
		}
	for (int i = 0; i < 9; i++) {
		int status;
		struct rusage u;
		siginfo_t info = {0};
		if (i % 3 == 0) {
			pid_t p = wait4(-1, &status, 0, &u);
			printf("wait4: pid %d is child %d, %ld us\n", p, WEXITSTATUS(status), u.ru_utime.tv_usec);
		} else if (i % 3 == 1) {
			waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
			printf("waitid: pid %d is child %d\n", info.si_pid, info.si_status);
			waitpid(info.si_pid, &status, 0);
		} else {
			pid_t p = wait(&status);
			printf("wait: pid %d is child %d\n", p, WEXITSTATUS(status));
		}
	}
	return 0;
}
