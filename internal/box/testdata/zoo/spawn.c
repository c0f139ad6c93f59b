// vfork, posix_spawn, clone and system: pids, and what the child did.
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char stack[65536] __attribute__((aligned(16)));
static volatile int touched;

static int child(void *arg) {
	touched += (int)(long)arg;
	return 5;
}

int main(void) {
	int status;
	pid_t p = vfork();
	if (p == 0) {
		touched = 1;
		execl("/bin/echo", "echo", "vfork and exec", NULL);
		_exit(1);
	}
	waitpid(p, &status, 0);
	printf("vfork %d touched %d status %d\n", p, touched, status);
	char *argv[] = {"sh", "-c", "echo spawned by $PPID as $$", NULL};
	posix_spawn(&p, "/bin/sh", NULL, NULL, argv, environ);
	waitpid(p, &status, 0);
	printf("posix_spawn %d status %d\n", p, status);
	p = clone(child, stack + sizeof stack, CLONE_VM | SIGCHLD, (void *)10L);
	waitpid(p, &status, 0);
	printf("clone %d touched %d status %d\n", p, touched, WEXITSTATUS(status));
	fflush(stdout);
	printf("system %d\n", system("exit 3"));
	FILE *f = popen("echo popen; echo $$", "r");
	for (int c; (c = getc(f)) != EOF;) putchar(c);
	printf("pclose %d\n", pclose(f));
	return 0;
}
