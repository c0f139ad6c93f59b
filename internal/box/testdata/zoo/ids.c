// Numbers of processes, threads, groups and sessions.
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void show(const char *who) {
	printf("%s: pid %d tid %ld ppid %d pgid %d pgrp %d sid %d\n", who, getpid(), syscall(SYS_gettid), getppid(), getpgid(0), getpgrp(), getsid(0));
	fflush(stdout);
}

static void *thread(void *arg) {
	show("thread");
	return NULL;
}

int main(void) {
	show("main");
	pthread_t t;
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	for (int i = 0; i < 3; i++) {
		pid_t child = fork();
		if (child == 0) {
			if (i == 1) setsid();
			if (i == 2) setpgid(0, 0);
			show("child");
			return 0;
		}
		printf("fork said %d\n", child);
		printf("wait said %d\n", wait(NULL));
		fflush(stdout);
	}
	return 0;
}
