// fcntl locks between processes, waited for, and open file description locks
// between threads.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int out;

static void contend(const char *who, int n, int command) {
	int fd = open("lock", O_RDWR | O_CREAT, 0644);
	for (int i = 0; i < 15; i++) {
		struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = i % 3, .l_len = 1};
		fcntl(fd, command, &l);
		dprintf(out, "%s %d: %d\n", who, n, i);
		l.l_type = F_UNLCK;
		l.l_pid = 0;
		fcntl(fd, command, &l);
	}
	close(fd);
}

static void *thread(void *arg) {
	contend("thread", (int)(long)arg, F_OFD_SETLKW);
	return NULL;
}

int main(void) {
	out = 1;
	for (int p = 0; p < 3; p++)
		if (fork() == 0) {
			contend("process", p, F_SETLKW);
			return 0;
		}
	pthread_t t[3];
	for (long i = 0; i < 3; i++) pthread_create(&t[i], NULL, thread, (void *)i);
	for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
	while (wait(NULL) > 0) {}
	return 0;
}
